"""The floor under delivery: the hub's sender alone against the bench's receiver, 64 requests in flight. Loopback only."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import resource
import time
from urllib.parse import urlsplit

import uvloop

from bench.clients import loopback
from hub.core.guard import AddressGuard
from hub.core.http.sender import Sender

IN_FLIGHT = 64
BODY = b'{"data":"' + b"x" * 1000 + b'"}'


async def run(options: argparse.Namespace) -> dict[str, float]:
    guard = AddressGuard([ipaddress.ip_network("127.0.0.0/8")])
    sender = Sender(guard=guard, ca_file=options.ca or None, max_idle_per_host=IN_FLIGHT)
    headers = [("content-type", "application/json")]
    target = sender.target(options.url, allow_http=True, headers=headers)
    count = failed = 0
    until = time.monotonic() + options.seconds

    async def one() -> None:
        nonlocal count, failed
        while time.monotonic() < until:
            reply = await sender.send(target, b"", BODY, timeout_s=15)
            count += 1
            failed += reply.status != 200

    begun = time.monotonic()
    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    took = time.monotonic() - begun
    await sender.aclose()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    return {"rate": 0.0 if failed else count / took, "failed": failed, "cpu_us": used / max(count, 1) * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--ca", default="")
    options = parser.parse_args()
    loopback(urlsplit(options.url).hostname or "")
    print(json.dumps(uvloop.run(run(options))))


if __name__ == "__main__":
    main()
