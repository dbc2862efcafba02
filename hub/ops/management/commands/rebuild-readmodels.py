"""Drop the statistics' rows and fold them again from the log, while the hub serves. May be stopped and run again at any time."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hub.insights.reactors import ALL
from hub.reactors import rebuilding

SHOW_EVERY_S = 1.0


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only", choices=[reactor.name for reactor in ALL], help="one of them; otherwise all"
        )
        parser.add_argument(
            "--no-wait", action="store_true", help="don't wait until the engines have folded it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        targets: dict[tuple[str, int], int] = {}
        try:
            for reactor in ALL:
                if options["only"] in (None, reactor.name):
                    for done in rebuilding.reset(reactor()):
                        targets[done.reactor, done.shard] = done.folded
        except rebuilding.Contended as error:
            raise CommandError(str(error)) from None
        left = rebuilding.behind(targets)
        self.stdout.write(f"{len(targets)} cursors are back at the beginning: {left} positions to fold.")
        if options["no_wait"]:
            return
        shown, moved = left, time.monotonic()
        while left:
            time.sleep(SHOW_EVERY_S)
            left = rebuilding.behind(targets)
            if left < shown:
                shown, moved = left, time.monotonic()
                self.stdout.write(f"{left} positions to fold")
            elif time.monotonic() - moved > 30:
                raise CommandError(
                    "No engine folds; start one (`celery -A hub worker`), and it goes on by itself. Nothing is lost."
                )
        self.stdout.write("The read models are as far as they were.")
