#!/usr/bin/env python3
"""trunkline: send, tail, listen, replay and requeue with an API key, from any machine. One file, the standard library alone.

curl -O http://127.0.0.1:8000/cli.py
export TRUNKLINE_URL=http://127.0.0.1:8000 TRUNKLINE_KEY=tl_test_…
python3 cli.py send order.created '{"id": 1}'
python3 cli.py listen http://localhost:3000/webhooks --types 'order.*'
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

LEASE_S = 60
WAIT_S = 20
AT_ONCE = 100
LONGEST_PAUSE_S = 30.0


class Failed(Exception):
    """What went wrong, as a sentence for whoever ran the command."""


class Hub:
    """The REST API of one hub, with one key."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url.rstrip("/") + "/api/v1", key

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> dict:
        data = None if body is None else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.key}", "User-Agent": "trunkline-cli/1"}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        if data is not None:
            given["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S + 30) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise Failed(problem(error)) from None
        except (urllib.error.URLError, OSError) as error:
            raise Failed(f"{self.url} can't be reached: {getattr(error, 'reason', error)}") from None


def problem(error: urllib.error.HTTPError) -> str:
    """The sentence of a problem document, or what there is."""
    raw = error.read()
    try:
        told = json.loads(raw)
        return f"{error.code}: {told.get('detail') or told.get('title')}"
    except (ValueError, AttributeError):
        return f"{error.code}: {raw[:200].decode('utf-8', 'replace')}"


def data_of(text: str) -> object:
    """JSON as it is, from a file with @, or from standard input with -."""
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            with open(text[1:], encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            raise Failed(f"{text[1:]} can't be read: {error.strerror}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failed(f"the data is no JSON ({error}); put texts in double quotes: '\"text\"'") from None


def send(hub: Hub, given: argparse.Namespace) -> None:
    event = {"type": given.type, "data": data_of(given.data)}
    event.update({name: getattr(given, name) for name in ("subject", "consumer") if getattr(given, name)})
    headers = {"Idempotency_Key": given.idempotency_key} if given.idempotency_key else {}
    print(hub("POST", "/events", event, **headers)["id"])


class Position:
    """A place of its own in the stream, from now on; gone when this ends."""

    def __init__(self, hub: Hub, types: list[str], name: str | None, start: str) -> None:
        self.hub, self.keeps = hub, name is not None
        self.name = name or f"cli-{secrets.token_hex(6)}"
        wanted = {"name": self.name, "from": start, **({"types": types} if types else {})}
        try:
            hub("POST", "/consumption", wanted)
        except Failed as error:
            # A name that is there already is gone on with.
            if not (self.keeps and str(error).startswith("409")):
                raise

    def read(self) -> dict:
        return self.hub(
            "POST", f"/consumption/{self.name}/read", {"limit": AT_ONCE, "wait": WAIT_S, "lease": LEASE_S}
        )

    def done(self, lease: str, **more: object) -> None:
        self.hub("POST", f"/consumption/{self.name}/ack", {"lease": lease, **more})

    def again(self, lease: str) -> None:
        self.hub("POST", f"/consumption/{self.name}/release", {"lease": lease})

    def close(self) -> None:
        if not self.keeps:
            self.hub("DELETE", f"/consumption/{self.name}")


def tail(hub: Hub, given: argparse.Namespace) -> None:
    position = Position(hub, given.types, None, given.since)
    try:
        left = given.count
        while left is None or left > 0:
            batch = position.read()
            for event in batch["events"][:left]:
                print(
                    json.dumps(event)
                    if given.json
                    else f"{event['timestamp']}  {event['type']}  {event['id']}  {json.dumps(event['data'])}",
                    flush=True,
                )
            if batch["lease"]:
                position.done(batch["lease"])
            left = None if left is None else left - len(batch["events"])
    finally:
        position.close()


def listen(hub: Hub, given: argparse.Namespace) -> None:
    """Each event is posted to the address, in its order; what is not answered by 2xx comes again, ever more seldom."""
    position = Position(hub, given.types, given.name, given.since)
    print(f"forwarding to {given.url}; Ctrl-C ends it", file=sys.stderr)
    left, pause = given.count, 0.5
    try:
        while left is None or left > 0:
            batch = position.read()
            ahead = forward(given.url, batch["events"])
            if not batch["lease"]:
                continue
            if ahead < len(batch["events"]):
                if ahead:
                    # In the order of each shard, so the last one counts.
                    upto = {str(event["shard"]): event["offset"] for event in batch["events"][:ahead]}
                    position.done(batch["lease"], upto=upto)
                position.again(batch["lease"])
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                position.done(batch["lease"])
                pause = 0.5
            left = None if left is None else left - ahead
    finally:
        position.close()


def forward(url: str, events: list[dict]) -> int:
    """How many went through before the first that did not."""
    for number, event in enumerate(events):
        body = json.dumps(
            {name: value for name, value in event.items() if name not in ("shard", "offset")}
        ).encode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event["id"],
            "User-Agent": "trunkline-cli/1",
        }
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data=body, headers=headers, method="POST"), timeout=15
            ) as answer:
                status = str(answer.status)
        except urllib.error.HTTPError as error:
            status = str(error.code)
        except (urllib.error.URLError, OSError) as error:
            status = str(getattr(error, "reason", error))
        print(
            f"{event['type']}  {event['id']}  → {status}  {(time.monotonic() - begun) * 1000:.0f} ms",
            flush=True,
        )
        if not status.startswith("2"):
            return number
    return len(events)


def replay(hub: Hub, given: argparse.Namespace) -> None:
    asked = {"search": given.search, "rate": given.rate, "skip_delivered": given.skip_delivered}
    if given.subscription:
        asked.update(subscription=given.subscription, only_missing=given.only_missing)
    job = hub("POST", "/replays", asked)
    plan = job["plan"]
    more = "" if plan["complete"] else "at least "
    print(
        f"{job['id']}: {more}{plan['count']} deliveries, {plan['delivered']} of them delivered already, about {plan['duration_s']:g} s"
    )
    for subscription, count in plan["subscriptions"].items():
        print(f"  {count:>8}  {subscription}")
    if not given.yes:
        print("nothing is sent; run it again with --yes")
        hub("POST", f"/replays/{job['id']}/cancel")
        return
    hub("POST", f"/replays/{job['id']}/start")
    try:
        while job["state"] not in ("done", "cancelled") or job["progress"]["waiting"]:
            time.sleep(0.5)
            job = hub("GET", f"/replays/{job['id']}")
            far = job["progress"]
            print(
                f"{job['state']}: {far['delivered']} delivered, {far['dead']} dead, {far['waiting']} waiting",
                flush=True,
            )
    except KeyboardInterrupt:
        hub("POST", f"/replays/{job['id']}/cancel")
        print("cancelled", file=sys.stderr)


def requeue(hub: Hub, given: argparse.Namespace) -> None:
    told = hub("POST", f"/deliveries/{urllib.parse.quote(given.delivery, safe='')}/requeue")
    print(told.get("result") or told.get("status"))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trunkline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--hub", default=os.environ.get("TRUNKLINE_URL", "http://127.0.0.1:8000"), help="or TRUNKLINE_URL"
    )
    parser.add_argument(
        "--key", default=os.environ.get("TRUNKLINE_KEY", ""), help="an API key; or TRUNKLINE_KEY"
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(act: Callable[[Hub, argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        found = verbs.add_parser(act.__name__, help=help, description=act.__doc__ or help)
        found.set_defaults(act=act)
        return found

    one = verb(send, "post an event, and print its id")
    one.add_argument("type")
    one.add_argument("data", nargs="?", default="{}", help="JSON; @file, or - for standard input")
    for name in ("--subject", "--consumer", "--idempotency-key"):
        one.add_argument(name)
    for act, help in (
        (tail, "print events as they come"),
        (listen, "post events as they come to an address of this machine"),
    ):
        one = verb(act, help)
        if act is listen:
            one.add_argument("url", help="such as http://localhost:3000/webhooks")
            one.add_argument(
                "--name", help="a position that is kept, so that nothing is missed between two runs"
            )
        else:
            one.add_argument("--json", action="store_true", help="whole events, one a line")
        one.add_argument(
            "--types", action="append", default=[], metavar="PATTERN", help="'order.*'; may be repeated"
        )
        one.add_argument("--since", default="now", help="now, beginning, a time, or how long ago: 1h")
        one.add_argument("--count", type=int, help="end after so many")
    one = verb(replay, "send again what a search finds: a plan, and with --yes the job")
    one.add_argument("search", help="such as 'status:dead since:24h'")
    one.add_argument("--subscription", help="send events to this one")
    for name in ("--only-missing", "--skip-delivered", "--yes"):
        one.add_argument(name, action="store_true")
    one.add_argument("--rate", type=int, default=200, help="deliveries a second")
    one = verb(requeue, "a new run for a delivery that has ended")
    one.add_argument("delivery", help="dlv_…")
    return parser


def main() -> int:
    given = arguments().parse_args()
    if not given.key:
        print("trunkline: an API key is needed: --key, or TRUNKLINE_KEY", file=sys.stderr)
        return 2
    try:
        given.act(Hub(given.hub, given.key), given)
    except Failed as error:
        print(f"trunkline: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
