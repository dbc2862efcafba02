"""Gives an accepted connection to another process of this machine, with the bytes read so far; and takes such ones in.

The socket itself travels (SCM_RIGHTS), so nothing is copied afterwards and the peer's address stays what it was. It
never reads a request: whose a connection is, its caller decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path

logger = logging.getLogger(__name__)

_HEAD = struct.Struct(">IH")
_PIECE = 65_536
_PATIENCE_S = 5.0
# Of a Unix socket's path on Linux.
_LONGEST = 107


def give(
    door: Path, transport: asyncio.Transport, data: bytes, *, back: str, loop: asyncio.AbstractEventLoop
) -> bool:
    """Hand the connection to whoever listens at `door`; `back` names the giver's own door. The transport is gone then.

    False: nobody listens there (or too many wait), and the connection is still the caller's.
    """
    name = back.encode()
    head = _HEAD.pack(len(data), len(name)) + name + data
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.setblocking(False)
        peer.connect(str(door))
        sent = socket.send_fds(peer, [head], [transport.get_extra_info("socket").fileno()])
    except OSError as error:
        peer.close()
        if error.errno not in (errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN):
            logger.warning("a connection could not be handed over: %s", error.strerror)
        return False
    transport.abort()
    if sent < len(head):
        task = loop.create_task(_send_rest(loop, peer, head[sent:]))
        _sending.add(task)
        task.add_done_callback(_sending.discard)
    else:
        peer.close()
    return True


_sending: set[asyncio.Task[None]] = set()


async def _send_rest(loop: asyncio.AbstractEventLoop, peer: socket.socket, rest: bytes) -> None:
    try:
        with peer:
            async with asyncio.timeout(_PATIENCE_S):
                await loop.sock_sendall(peer, rest)
    except (OSError, TimeoutError) as error:
        logger.warning("a connection was lost while it changed hands: %s", error or type(error).__name__)


class BadFolder(Exception):
    """The door can't be there; the message says what to change."""


def check_folder(door: Path) -> None:
    """Make the folder of a door where it is missing. Raises BadFolder."""
    folder = door.parent
    if len(os.fsencode(door)) > _LONGEST:
        raise BadFolder(f"{folder} is too long for a socket: with its file it may have {_LONGEST} bytes.")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        owner = folder.lstat()
    except OSError as error:
        raise BadFolder(f"{folder} can't be made ({error.strerror}); name a folder that can.") from None
    if not stat.S_ISDIR(owner.st_mode) or owner.st_uid != os.geteuid() or owner.st_mode & 0o022:
        raise BadFolder(
            f"{folder} must be a folder of this user that nobody else may write to; name another."
        )


class Door:
    """Takes connections in at a Unix socket of one's own folder. `take(data, back) -> protocol` for each."""

    def __init__(self, path: Path, take: Callable[[bytes, str], asyncio.BaseProtocol]) -> None:
        self.path = path
        self._take = take
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Listen. Raises OSError and BadFolder."""
        check_folder(self.path)
        self.path.unlink(missing_ok=True)
        self._socket = listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(str(self.path))
        self.path.chmod(0o600)
        listener.listen(1024)
        self._start(self._accept_forever(listener))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_forever(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            peer, _ = await loop.sock_accept(listener)
            self._start(self._receive(peer))

    async def _receive(self, peer: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        given: list[int] = []
        try:
            with peer:
                async with asyncio.timeout(_PATIENCE_S):
                    got, given = await _first_piece(loop, peer)
                    while len(got) < _HEAD.size or len(got) < _length(got):
                        piece = await loop.sock_recv(peer, _PIECE)
                        if not piece:
                            raise ConnectionResetError("the giver went away in the middle")
                        got += piece
            size, named = _HEAD.unpack_from(got)
            name, data = got[_HEAD.size : _HEAD.size + named].decode(), got[_HEAD.size + named :]
            connection = socket.socket(fileno=given.pop())
            connection.setblocking(False)
            protocol = self._take(data[:size], name)
            await loop.connect_accepted_socket(lambda: protocol, connection)
        except (OSError, TimeoutError, IndexError) as error:
            logger.warning("a connection could not be taken over: %s", error or type(error).__name__)
        finally:
            for descriptor in given:
                os.close(descriptor)

    async def close(self) -> None:
        """Take nothing more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.path.parent.rmdir()


def _length(got: bytes) -> int:
    size, named = _HEAD.unpack_from(got)
    return _HEAD.size + int(named) + int(size)


async def _first_piece(loop: asyncio.AbstractEventLoop, peer: socket.socket) -> tuple[bytes, list[int]]:
    """What comes with the connection itself; asyncio has no reading of descriptors."""
    peer.setblocking(False)
    while True:
        try:
            got, descriptors, _, _ = socket.recv_fds(peer, _PIECE, 1)
        except BlockingIOError:
            ready = asyncio.Event()
            loop.add_reader(peer, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(peer)
            continue
        return got, list(descriptors)
