"""The two servers of the web: `python -m hub.serve web` owns the port and takes events, `python -m hub.serve pages` serves
the rest. They hand connections to each other (hub.core.handover), so that reading pages never holds up an event.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvicorn
from django.conf import settings

from hub.core.handing import HandingProtocol, Server
from hub.core.handover import BadFolder, check_folder
from hub.ingest.app import NO_INGEST, refusal
from hub.ingest.protocol import IngestProtocol, is_event

logger = logging.getLogger(__name__)

# Pages yield to events where both want the processor.
PAGES_NICENESS = 10
# Linux shares the processor among sessions first: there a process's own niceness counts within its session alone.
_AUTOGROUP = Path("/proc/self/autogroup")


def folder() -> Path:
    """Where the doors are: HANDOVER, else a folder of this user and port."""
    named = settings.ENV["HANDOVER"]
    port = settings.ENV["PORT"]
    return Path(named) if named else Path(tempfile.gettempdir()) / f"trunkline-{os.geteuid()}-{port}"


class PagesProtocol(HandingProtocol):
    """Django's requests; an event goes back to ingest."""

    _held = b""

    def data_received(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        if self.between_requests():
            event = is_event(data)
            if event is None:
                self._held = data
                return
            if event:
                if not self.hand_over(data):
                    answer = refusal(NO_INGEST, None)
                    self.write_answer(answer.status, answer.head, answer.body)
                    self.transport.close()
                return
        super().data_received(data)


def be_nice(niceness: int) -> None:
    """Let other processes go first."""
    os.nice(niceness)
    alone = os.getsid(0) == os.getpid()
    if alone and _AUTOGROUP.exists():
        try:
            _AUTOGROUP.write_text(str(niceness))
        except OSError as error:
            logger.info("the session's niceness could not be set: %s", error.strerror)


def listen(host: str, port: int) -> socket.socket:
    """The port's socket. Exits with a sentence when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        sys.exit(f"Port {port} on {host} can't be listened on ({error.strerror}); set PORT or HOST.")


def main(role: str) -> None:
    """Serve until SIGTERM. Exits with 2 for an unknown role."""
    if role not in ("web", "pages"):
        sys.exit("usage: python -m hub.serve web|pages")
    doors = folder()
    sockets = []
    protocol: type[HandingProtocol]
    before_end: Callable[[], None] | None = None
    if role == "web":
        from hub.ingest.asgi import application, ingest

        own = doors / f"web-{settings.ENV['PORT']}"
        protocol = type("Web", (IngestProtocol,), {"ingest": ingest, "door": own, "other": doors / "pages"})
        sockets = [listen(settings.ENV["HOST"], settings.ENV["PORT"])]
    else:
        from hub.asgi import application, waiting

        before_end = waiting.close
        own = doors / "pages"
        be_nice(PAGES_NICENESS)
        protocol = type(
            "Pages", (PagesProtocol,), {"door": own, "other": doors / f"web-{settings.ENV['PORT']}"}
        )
    config = uvicorn.Config(
        application, loop="uvloop", http=protocol, ws="none", timeout_keep_alive=30, timeout_graceful_shutdown=8,
        access_log=False, log_config=None, lifespan="on", backlog=2048,
    )  # fmt: skip
    try:
        check_folder(own)
    except BadFolder as error:
        sys.exit(f"HANDOVER: {error}")
    Server(config, door=own, before_end=before_end).run(sockets=sockets)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
