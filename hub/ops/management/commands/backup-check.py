"""Look at a restored database before a worker starts: how old it is, whether it is whole, whether its secrets open, and what
would be sent again. Changes nothing; exit code 1 if something fails.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from hub.ops import backup_check
from hub.ops.doctor.finding import failed


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        try:
            for finding in backup_check.look():
                # Before the first start there is none.
                if finding.name != "engine":
                    found.append(finding)
                    self.stdout.write(finding.text())
        except psycopg.Error as error:
            raise CommandError(f"The database could not be read: {str(error).strip()}") from None
        if failed(found):
            raise SystemExit(1)
