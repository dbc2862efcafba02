"""Connections change hands between two real servers: bytes, address and order stay, and nobody listening is told."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hub.core.handover import BadFolder, Door, check_folder, give

Run = Callable[[Coroutine[Any, Any, None]], None]


class Giver(asyncio.Protocol):
    """Gives every connection away with its first bytes; says so to its caller if nobody takes it."""

    def __init__(self, door: Path) -> None:
        self.door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if not give(self.door, self.transport, data, back="/somewhere/web", loop=loop):
            self.transport.write(b"nobody")


class Taker(asyncio.Protocol):
    """Echoes what its giver had read, where from it came, and what follows."""

    def __init__(self, data: bytes, back: str) -> None:
        self.first, self.back = data, back

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        peer = transport.get_extra_info("peername")
        self.transport.write(b"%s %d " % (self.back.encode(), peer[1]) + self.first)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Plain(Taker):
    """Echoes alone: what comes from a pair of sockets has no port."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(self.first)


def test_a_connection_goes_on_where_it_was_given(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        path = tmp_path / "doors" / "pages"
        door = Door(path, Taker)
        await door.open()
        server = await loop.create_server(lambda: Giver(path), "127.0.0.1", 0)
        for size in (1, 1000, 60_000):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            port = writer.get_extra_info("sockname")[1]
            writer.write(b"a" * size)
            head = b"/somewhere/web %d " % port
            got = await reader.readexactly(len(head) + size)
            assert got == head + b"a" * size
            writer.write(b"more")
            assert await reader.readexactly(4) == b"more"
            writer.close()
        server.close()
        await door.close()
        assert not path.exists()

    run(story())


def test_where_nobody_listens_the_connection_stays(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Giver(tmp_path / "nobody"), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.readexactly(6) == b"nobody"
        writer.close()
        server.close()

    run(story())


def test_a_giver_that_goes_away_in_the_middle_harms_nobody(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        taken: list[bytes] = []

        def take(data: bytes, back: str) -> Taker:
            taken.append(data)
            return Plain(data, back)

        door = Door(tmp_path / "doors" / "pages", take)
        await door.open()
        for beginning in (b"", b"\0\0", b"\0\0\0\x09\0\x01x"):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(door.path))
                peer.sendall(beginning)
        a, b = socket.socketpair()
        with a, b, socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(door.path))
            socket.send_fds(peer, [b"\0\0\0\x02\0\x01xhi"], [a.fileno()])
            b.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(5):
                got = b""
                while not got.endswith(b"hi"):
                    got += await loop.sock_recv(b, 100)
        assert taken == [b"hi"]
        await door.close()

    run(story())


def test_a_folder_of_others_is_refused_with_a_sentence(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    for path, said in (
        (open_to_all / "web", "nobody else may write to"),
        (tmp_path / "no" / "such" / "web", "can't be made"),
        (Path(os.fsdecode(b"/tmp/" + b"x" * 110)) / "web", "too long"),
    ):
        with pytest.raises(BadFolder, match=said):
            check_folder(path)
    check_folder(tmp_path / "own" / "web")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
