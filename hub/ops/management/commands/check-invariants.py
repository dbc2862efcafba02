"""Count every accepted event to its deliveries and report any gap; it changes nothing, and may run under
traffic.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from hub.ops import invariants
from hub.ops.invariants.check import NoLog


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since must be a day such as 2026-01-31, not {text!r}.") from None


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
        parser.add_argument("--since", metavar="DAY", help="only what was routed on this day (UTC) or later")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = invariants.check(since=_day(options["since"]) if options["since"] else None)
        except (NoLog, psycopg.errors.UndefinedTable):
            raise CommandError("There is no log in this database; run `manage.py prepare` first.") from None
        except psycopg.Error as error:
            raise CommandError(f"The check could not be finished: {str(error).strip()}") from None
        self.stdout.write(json.dumps(report.document()) if options["json"] else report.text())
        if not report.sound:
            raise SystemExit(1)
