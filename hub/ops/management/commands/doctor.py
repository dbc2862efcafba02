"""Check this installation and say what to do: a line for each thing, exit code 1 if one of them fails.
Changes nothing.
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand

from hub.ops.doctor import database, hub_state, services, surroundings
from hub.ops.doctor.finding import Finding, fail, failed


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for finding in self._look():
            found.append(finding)
            self.stdout.write(finding.text())
        warnings = sum(finding.level == "warn" for finding in found)
        failures = sum(finding.level == "fail" for finding in found)
        self.stdout.write(f"\n{len(found)} checks, {warnings} warnings, {failures} failures.")
        if failed(found):
            raise SystemExit(1)

    def _look(self) -> Iterator[Finding]:
        values = settings.ENV
        yield from surroundings.keys(values)
        yield from surroundings.paused(values["PAUSED"])
        yield from surroundings.addresses(
            public_url=settings.PUBLIC_URL, allowed_hosts=settings.ALLOWED_HOSTS, debug=settings.DEBUG
        )
        yield from surroundings.outbound(networks=values["OUTBOUND_NETWORKS"], http=values["OUTBOUND_HTTP"])
        yield from surroundings.egress(values["OUTBOUND_PROXY"])
        yield surroundings.open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        usage = shutil.disk_usage(settings.BASE_DIR)
        yield surroundings.disk(free=usage.free, total=usage.total, folder=str(settings.BASE_DIR))
        answers = True
        for finding in database.look(now=time.time):
            yield finding
            answers = answers and not (finding.name == "PostgreSQL" and finding.level == "fail")
        if answers:
            try:
                yield from hub_state.look()
            except psycopg.Error as error:
                yield fail(
                    "tables", str(error).strip(), "Look into PostgreSQL's log, and run `manage.py prepare`."
                )
        yield services.cache(settings.REDIS_URL)
        yield services.broker(settings.CELERY_BROKER_URL)
        if values["OUTBOUND_PROXY"] is not None:
            yield services.proxy(values["OUTBOUND_PROXY"])
