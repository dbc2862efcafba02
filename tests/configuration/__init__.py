"""Tests of hub.configuration."""
