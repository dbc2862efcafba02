"""The proxy that all outgoing requests go through, read from a setting. It connects to nothing and shows no password."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


class BadProxy(ValueError):
    """The setting names no usable proxy; the message goes on after the setting's name and repeats no value."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """`host` is a name or a bare IP; `credentials` the value of Proxy-Authorization, or ""."""

    host: str
    port: int
    credentials: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """host:port, for those who run the hub."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def from_url(cls, text: str) -> Proxy:
        """Read http://[user:password@]host:port; raises BadProxy."""
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise BadProxy("must read http://host:port, or http://user:password@host:port") from error
        if parts.scheme != "http":
            raise BadProxy(
                "must begin with http:// (the proxy itself is spoken to without TLS; requests keep theirs)"
            )
        if not re.fullmatch(r"[A-Za-z0-9._:-]+", host) or not port:
            raise BadProxy("must name a host and a port: http://proxy.example.com:3128")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise BadProxy("must end after the port")
        if parts.username is None:
            return cls(host, port)
        user, password = unquote(parts.username), unquote(parts.password or "")
        if ":" in user or not (user + password).isprintable():
            raise BadProxy(
                "has a user name or password that no header can carry; a colon belongs between them only"
            )
        pair = b64encode(f"{user}:{password}".encode()).decode("ascii")
        return cls(host, port, f"Basic {pair}")
