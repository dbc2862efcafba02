"""Bring the database up to date and make the demo tenant: what every start needs first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from hub import env
from hub.ops import demo_tenant

# Facts are only ever added: the role that serves may not even try to change them.
GRANTS = """
grant usage on schema public to {app};
grant select, insert, update, delete on all tables in schema public to {app};
grant usage, select on all sequences in schema public to {app};
alter default privileges in schema public grant select, insert, update, delete on tables to {app};
alter default privileges in schema public grant usage, select on sequences to {app};
revoke update, delete on event, attempt, routed, breaker_fact from {app};
"""


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            call_command("migrate", verbosity=0)
        except OperationalError as error:
            raise CommandError(
                f"The database of DATABASE_URL can't be reached; start it or correct the address ({' '.join(str(error).split())})."
            ) from None
        app = env.database(settings.ENV["DATABASE_URL"])["USER"]
        if app and app != connection.settings_dict["USER"]:
            with connection.cursor() as cursor:
                cursor.execute(GRANTS.format(app=connection.ops.quote_name(app)))
        local = Path(os.environ.get("TRUNKLINE_LOCAL", env.LOCAL))
        local.mkdir(parents=True, exist_ok=True)
        demo = demo_tenant.ensure(local / "demo.json")
        url = settings.PUBLIC_URL
        lines = [
            "",
            f"Trunkline is running at {url}",
            f"  API pages   {url}/api/docs/",
            f"  admin       {url}/admin/",
        ]
        if demo is None:
            lines.append("  This installation has tenants already; sign in with your own login and key.")
        else:
            lines += [
                f"  login       {demo.email}  password {demo.password}",
                f"  live key    {demo.live_key}",
                f"  test key    {demo.test_key}",
                f"  try         curl {url}/api/v1/events -H 'Authorization: Bearer {demo.test_key}' \\",
                '                -H \'Content-Type: application/json\' -d \'{"type":"order.created","data":{"id":1}}\'',
            ]
        self.stdout.write("\n".join(lines))
