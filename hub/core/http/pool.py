"""Kept-alive connections: newest first, bounded for each origin and in all. It never opens one."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakValueDictionary

from hub.core.client_certificates import Identity
from hub.core.http.connection import Connection, Origin

# A name that moves to other addresses is followed at the latest after so many seconds.
_MAX_AGE_S = 300.0


@dataclass(frozen=True, slots=True)
class Stats:
    """Connections: open and idle now, created and reused since the start."""

    open: int
    idle: int
    created: int
    reused: int


class Pool:
    """The owner of all connections of a sender."""

    __slots__ = (
        "_idle",
        "_idle_limit_s",
        "_max_idle",
        "_max_per_host",
        "_open",
        "_origins",
        "created",
        "reused",
    )

    def __init__(self, *, idle_limit_s: float, max_idle_per_host: int, max_idle: int) -> None:
        self._idle_limit_s = idle_limit_s
        self._max_per_host = max_idle_per_host
        self._max_idle = max_idle
        self._origins: WeakValueDictionary[tuple[bool, str, int, bytes], Origin] = WeakValueDictionary()
        self._open: set[Connection] = set()
        # In the order in which they fell idle, so that the first one is the oldest.
        self._idle: dict[Connection, None] = {}
        self.created = 0
        self.reused = 0

    def origin(self, *, tls: bool, host: str, port: int, identity: Identity | None = None) -> Origin:
        """The one Origin of that address and client certificate; it lives as long as a target or a connection uses it."""
        key = (tls, host, port, b"" if identity is None else identity.digest)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = Origin(tls=tls, host=host, port=port, identity=identity)
        return origin

    def take(self, origin: Origin) -> Connection | None:
        """The idle connection that was used last, if any; those closed in the meantime are no longer here."""
        if not origin.idle:
            return None
        connection = origin.idle.pop()
        del self._idle[connection]
        self.reused += 1
        return connection

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)
        self.created += 1

    def keep(self, connection: Connection, now: float) -> bool:
        """Take it as idle, if there is room and it is not too old."""
        idle = connection.origin.idle
        if len(idle) >= self._max_per_host or now - connection.born > _MAX_AGE_S:
            return False
        if len(self._idle) >= self._max_idle:
            oldest = next(iter(self._idle), None)
            if oldest is None:
                return False
            self.gone_idle(oldest)
            oldest.close()
        idle.append(connection)
        self._idle[connection] = None
        connection.wake_at(now + self._idle_limit_s)
        return True

    def gone_idle(self, connection: Connection) -> None:
        """It may not be used again."""
        if connection in self._idle:
            del self._idle[connection]
            connection.origin.idle.remove(connection)

    def gone(self, connection: Connection) -> None:
        """It is closed or closing."""
        self.gone_idle(connection)
        if connection.transport is None or connection.transport.is_closing():
            self._open.discard(connection)

    def connections(self) -> list[Connection]:
        """All that are open."""
        return list(self._open)

    def stats(self) -> Stats:
        return Stats(len(self._open), len(self._idle), self.created, self.reused)
