"""Servers that demand something of whoever calls them: a token server, and endpoints that want its tokens or a client
certificate. Each runs in threads of its own, so that tests within and without a loop can use it; none is lenient.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote_plus

from hub.ops.receiver.certificates import Authority

Answer = tuple[int, dict[str, str], bytes]
DONE: Answer = (204, {}, b"")
Server = TypeVar("Server", bound="Demanding")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `client` is the SHA-256 of the client's certificate, "" if there was none."""

    target: str
    headers: dict[str, str]
    body: bytes
    client: str
    connection: int


class Demanding(ThreadingHTTPServer):
    """HTTP/1.1 on 127.0.0.1 from the start; `answer(asked)` is called in the thread of the connection."""

    daemon_threads = True
    request_queue_size = 256
    block_on_close = False

    def __init__(
        self, answer: Callable[[Asked], Answer] = lambda _: DONE, *, context: ssl.SSLContext | None = None
    ) -> None:
        self.answer, self.context = answer, context
        self.asked: list[Asked] = []
        self.refused: list[str] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Talk)
        threading.Thread(target=self.serve_forever, args=[0.01], name="demanding", daemon=True).start()

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.server_port}{path}"

    def wait_for(self, count: int, *, seconds: float = 10) -> list[Asked]:
        """Until that many requests have come."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.asked) >= count, seconds)
            assert done, f"{len(self.asked)} of {count} requests came within {seconds} s"
            return list(self.asked)

    def note(self, asked: Asked) -> None:
        with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        number = self.connections
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        self._open.add(request)
        try:
            if isinstance(request, ssl.SSLSocket):
                self._shake_hands(request)
            _Talk(request, (client_address, number), self)
        except (ssl.SSLError, OSError) as error:
            self.refused.append(str(error))
        finally:
            self._open.discard(request)
            request.close()

    @staticmethod
    def _shake_hands(talk: ssl.SSLSocket) -> None:
        try:
            talk.do_handshake()
        except ssl.SSLError:
            # The alert is on its way; a close beside unread bytes would be a reset, which may overtake it.
            talk.settimeout(2)
            socket.socket.shutdown(talk, socket.SHUT_WR)
            while socket.socket.recv(talk, 65_536):
                pass
            raise

    def stop(self) -> None:
        self.shutdown()
        for request in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(request, socket.SHUT_RDWR)
        self.server_close()


class _Talk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Demanding

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        client = b""
        if isinstance(self.connection, ssl.SSLSocket):
            client = self.connection.getpeercert(binary_form=True) or b""
        asked = Asked(
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            body,
            sha256(client).hexdigest() if client else "",
            self.client_address[1],
        )
        self.server.note(asked)
        status, headers, content = self.server.answer(asked)
        self.send_response_only(status)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            if status != 204 or name != "content-length":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests look at what was asked; nobody reads a log."""


class TokenServer(Demanding):
    """RFC 6749 4.4. Takes one client; every token is its own. What it does next can be set at any time."""

    def __init__(
        self, *, context: ssl.SSLContext | None = None, client: str = "hub", secret: str = "s3cret/+:"
    ) -> None:
        self.client, self.secret = client, secret
        self.expires_in: object = 3600
        self.fail: Answer | None = None
        self.issued: list[str] = []
        self.valid: set[str] = set()
        self.open = threading.Event()
        self.open.set()
        super().__init__(self._answer, context=context)

    def _answer(self, asked: Asked) -> Answer:
        assert self.open.wait(30), "the test has not let it answer"
        if self.fail is not None:
            return self.fail
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return _document(400, error="unsupported_grant_type")
        if self._credentials(asked, form) != (self.client, self.secret):
            return _document(401, error="invalid_client", error_description=f"not {self.secret}")
        token = f"tok-{secrets.token_hex(12)}"
        self.issued.append(token)
        self.valid.add(token)
        life = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return _document(200, access_token=token, token_type="Bearer", **life)

    @staticmethod
    def _credentials(asked: Asked, form: dict[str, str]) -> tuple[str, str]:
        kind, _, pair = asked.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = b64decode(pair).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
        return form.get("client_id", ""), form.get("client_secret", "")

    def demanded(self, asked: Asked) -> Answer:
        """What an endpoint answers that takes these tokens alone."""
        kind, _, token = asked.headers.get("authorization", "").partition(" ")
        return (
            DONE if kind == "Bearer" and token in self.valid else (401, {"www-authenticate": "Bearer"}, b"")
        )


def strict_context(
    server: Authority | Path, clients: Authority, *, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """Serves with the certificate of one authority (or of its folder), and demands one of the other from clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = server if isinstance(server, Path) else server.cert_pem.parent
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(clients.ca_pem)
    context.verify_mode = ssl.CERT_REQUIRED
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Ends it after the test."""
    try:
        yield server
    finally:
        server.stop()


def _document(status: int, **members: object) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(members).encode()
