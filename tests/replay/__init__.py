"""Tests of hub.replay."""
