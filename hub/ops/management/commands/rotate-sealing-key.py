"""Seal every stored secret anew under the first key of SEALING_KEYS, while the hub serves.

How to change the key:
  1. Put a new key first in SEALING_KEYS, and keep the old one behind it.
  2. Restart all processes, so that every one of them has both.
  3. Run this command; it may be stopped, repeated, and run twice at once.
  4. Wait for it to say that no row needs the old key (exit code 0).
  5. Take the old key out of SEALING_KEYS, and restart all processes.
Keep the old key beside the backups made before.
It never shows a secret or a key.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from hub.ops import key_rotation
from hub.subscriptions import vault


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        # Steps stay on lines of their own.
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="only open and count by key; changes nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = key_rotation.rotate(ring=vault.keyring(), dry_run=options["dry_run"])
        except DatabaseError as error:
            raise CommandError(
                f"It stopped half-way, and can be run again at any time: {str(error).strip().splitlines()[0]}"
            ) from None
        self.stdout.write(report.text())
        if report.failed:
            raise SystemExit(1)
