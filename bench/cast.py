"""Makes tenants with a live environment and a key each, through the services and as an operator's script would.

`python -m bench.cast COUNT LABEL`, with a hub's environment variables, prints them as JSON; it changes nothing that exists.
"""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.utils import timezone  # noqa: E402

from hub.ops.demo_tenant import scope_of  # noqa: E402
from hub.tenants.roles import EVERYTHING  # noqa: E402
from hub.tenants.services import keys, tenants  # noqa: E402

MOST_A_SECOND = 1_000_000


def make(count: int, label: str) -> list[dict[str, object]]:
    """The text of a key is shown this once."""
    made: list[dict[str, object]] = []
    for number in range(count):
        tenant = tenants.create(name=f"Bench {label} {number}", slug=f"bench-{label}-{number}")
        environment = tenants.create_environment(tenant=tenant, name="live", kind="live")
        _, text = keys.create(
            scope=scope_of(environment), name="bench", scopes=sorted(EVERYTHING), now=timezone.now(),
            rate_limit=MOST_A_SECOND,
        )  # fmt: skip
        made.append({"env": environment.id, "shard": environment.shard, "key": text})
    return made


if __name__ == "__main__":
    print(json.dumps(make(int(sys.argv[1]), sys.argv[2])))
