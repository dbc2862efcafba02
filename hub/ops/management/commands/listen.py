"""Receive webhooks on this machine: verify them, print a line for each, and misbehave if asked to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from argparse import ArgumentParser
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub import env
from hub.core.signing import BadSecret, parse_secret
from hub.ops import listening
from hub.ops.receiver import Receiver


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # -v is Django's verbosity, with a number; here it shows bodies.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--host", default="127.0.0.1")
        add("--port", type=int, default=9009, help="0 takes a free one")
        add(
            "--secret",
            action="append",
            default=[],
            metavar="whsec_…",
            help="check signatures with it; may be repeated",
        )
        add("--subscribe", nargs="?", const="", metavar="KEY",
            help="make a subscription to this receiver with the API key (the demo tenant's if left out); ended with it")  # fmt: skip
        add(
            "--types",
            action="append",
            default=[],
            metavar="PATTERN",
            help="what to subscribe to: order.created, 'order.*', '*'",
        )
        add("--hub", default="", metavar="URL", help="the hub's address; else PUBLIC_URL")
        add("--url", default="", help="how the hub reaches this receiver, if not at its own address")
        add("--keep", action="store_true", help="leave the subscription when this ends")
        add("--fail", type=int, nargs="?", const=500, metavar="STATUS", help="answer with this status")
        add("--fail-first", type=int, metavar="N", help="fail the first N requests only")
        add("--rate-limit", type=int, metavar="S", help="answer 429 with Retry-After: S")
        add("--hang", action="store_true", help="never answer")
        add("--reset", action="store_true", help="cut the connection instead of answering")
        add("--slow", action="store_true", help="answer with one byte a second, without end")
        add("--disappear", type=float, metavar="S", help="after the first request be gone for S seconds")
        add("-v", action="store_true", dest="bodies", help="print bodies too")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for secret in options["secret"]:
                parse_secret(secret)
            options["behaviour"] = listening.behaviour_of(options)
            options["patterns"] = listening.patterns_of(options["types"])
        except (listening.BadOptions, BadSecret) as error:
            raise CommandError(str(error)) from None
        if options["types"] and options["subscribe"] is None:
            raise CommandError("--types is for --subscribe: give both, or neither.")
        asyncio.run(self._listen(options))

    async def _listen(self, options: dict[str, Any]) -> None:
        stop, first = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)

        def show(received: Any) -> None:
            self.stdout.write(listening.line(received))
            if options["bodies"]:
                self.stdout.write(listening.body(received))
            self.stdout.flush()
            first.set()

        receiver = Receiver(
            host=options["host"], port=options["port"], secrets=options["secret"], remember=1, on_request=show
        )
        receiver.behave(options["behaviour"])
        try:
            await receiver.start()
        except OSError as error:
            raise CommandError(
                f"Port {options['port']} of {options['host']} can't be used ({error.strerror}); choose another by --port."
            ) from None
        url = options["url"] or receiver.url()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(receiver.stop)
            if options["subscribe"] is not None:
                secret = await stack.enter_async_context(self._subscribed(url, options))
                receiver.trust(*options["secret"], secret)
            self.stdout.write(f"Listening on {receiver.url()} - Ctrl-C ends it.")
            self.stdout.flush()
            gone = asyncio.create_task(self._disappear(receiver, first, options["disappear"]))
            await stop.wait()
            gone.cancel()
        self.stdout.write(f"{receiver.count} requests received.")

    async def _disappear(self, receiver: Receiver, first: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            return
        await first.wait()
        # Let the answer out before the connection is cut.
        await asyncio.sleep(0.05)
        await receiver.disappear()
        self.stdout.write(f"Gone for {seconds:g} s.")
        self.stdout.flush()
        await asyncio.sleep(seconds)
        await receiver.appear()
        self.stdout.write("Here again.")
        self.stdout.flush()

    @asynccontextmanager
    async def _subscribed(self, url: str, options: dict[str, Any]) -> Any:
        """A subscription for as long as this lasts; gives its secret."""
        key = options["subscribe"] or _demo_key()
        address = (options["hub"] or settings.PUBLIC_URL).rstrip("/")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"{address}/api/v1", headers=headers, timeout=10) as client:
            wanted = {"url": url, "patterns": options["patterns"], "name": "manage.py listen"}
            try:
                answer = await client.post("/subscriptions", json=wanted)
            except httpx.TransportError as error:
                raise CommandError(
                    f"The hub at {address} does not answer ({error}); is it running? See --hub."
                ) from None
            if answer.status_code != 201:
                raise CommandError(f"The hub made no subscription: {_told(answer)}")
            made = answer.json()
            self.stdout.write(f"Subscribed {made['id']} to {', '.join(made['patterns'])}, delivered to {url}")
            try:
                yield made["secret"]
            finally:
                if not options["keep"]:
                    await self._unsubscribe(client, made["id"])

    async def _unsubscribe(self, client: httpx.AsyncClient, uid: str) -> None:
        try:
            answer = await client.delete(f"/subscriptions/{uid}")
            told = "" if answer.status_code == 204 else _told(answer)
        except httpx.TransportError as error:
            told = str(error)
        self.stdout.write(f"The subscription {uid} was not deleted: {told}" if told else f"Deleted {uid}.")


def _told(answer: httpx.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        document = None
    return listening.refusal(answer.status_code, document)


def _demo_key() -> str:
    path = Path(os.environ.get("TRUNKLINE_LOCAL", env.LOCAL)) / "demo.json"
    try:
        return str(json.loads(path.read_text())["test_key"])
    except (OSError, ValueError, KeyError):
        raise CommandError(
            f"There is no demo key in {path}; give an API key: --subscribe tl_test_…"
        ) from None
