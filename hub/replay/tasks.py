"""Replays in the background: sent for by beat every two seconds, whether or not one is at it, so that a lost worker is replaced."""

from __future__ import annotations

from celery import shared_task

from hub.replay import feeding

SECONDS = 60.0


@shared_task(expires=5)
def feed_replays() -> None:
    feeding.feed(seconds=SECONDS)
