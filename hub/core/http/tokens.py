"""Access tokens of OAuth 2.0 client credentials: fetched through the guarded sender, kept in memory alone, one request at
a time for a credential however many deliveries wait for it. Tokens and secrets never leave in an error.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from typing import Final

from hub.core.addresses import BadUrl
from hub.core.client_certificates import Identity
from hub.core.http.sender import Sender
from hub.core.http.target import BadHeader
from hub.core.oauth import BadAnswer, Grant, asked_wait, pause_after, read_answer

TIMEOUT_S: Final = 10.0
MOST_ANSWER: Final = 64 * 1024
MOST_SOURCES: Final = 2_000
# An endpoint that answers 401 to fresh tokens as well gets a new one only so often.
AGAIN_AFTER_REFUSAL_S: Final = 10.0


class NoToken(Exception):
    """There is none now; the message is a sentence, `wait_s` says when it is worth to ask again."""

    def __init__(self, sentence: str, *, wait_s: float) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


class Source:
    """The token of one credential. Touched by the sender's loop only; all times are that loop's seconds."""

    __slots__ = (
        "_again_at",
        "_failure",
        "_failures",
        "_fetching",
        "_grant",
        "_identity",
        "_line",
        "_loop",
        "_refusable_at",
        "_sender",
        "_settings",
        "_until",
    )

    def __init__(
        self, sender: Sender, grant: Grant, identity: Identity | None, *, allow_http: bool, timeout_s: float
    ) -> None:
        self._sender = sender
        self._grant = grant
        self._identity = identity
        self._settings = (allow_http, timeout_s)
        self._loop = asyncio.get_running_loop()
        self._line = b""
        self._until = self._again_at = self._refusable_at = float("-inf")
        self._failure = ""
        self._failures = 0
        self._fetching: asyncio.Task[bytes] | None = None

    def held(self) -> bytes:
        """The header line of a token that may be used now, with its CR LF; b"" if there is none."""
        return self._line if self._loop.time() < self._until else b""

    async def fetched(self) -> bytes:
        """The same after waiting for a new one; raises NoToken, at once while the last failure is fresh."""
        if line := self.held():
            return line
        task = self._fetching
        if task is None:
            wait_s = self._again_at - self._loop.time()
            if wait_s > 0:
                raise NoToken(self._failure, wait_s=wait_s)
            task = self._fetching = self._loop.create_task(self._fetch())
            task.add_done_callback(self._ended)
        # Who is cut off must not take the token from the others.
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise NoToken("the hub is stopping", wait_s=0.0) from None
            raise

    def refused(self, line: bytes) -> None:
        """The endpoint answered 401 to this line: drop the token, but once; those that come later were sent with the same."""
        now = self._loop.time()
        if line == self._line and now >= self._refusable_at:
            self._line, self._until = b"", float("-inf")
            self._refusable_at = now + AGAIN_AFTER_REFUSAL_S

    def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        self._fetching = None
        if not task.cancelled():
            # Retrieved here too, since every caller may have gone in the meantime.
            task.exception()

    async def _fetch(self) -> bytes:
        asked_s: float | None = None
        try:
            allow_http, timeout_s = self._settings
            headers, body = self._grant.request()
            target = self._sender.target(
                self._grant.token_url, allow_http=allow_http, headers=headers, identity=self._identity
            )
            reply = await self._sender.send(target, b"", body, timeout_s=timeout_s, capture=MOST_ANSWER)
            if reply.error:
                raise BadAnswer(f"could not be asked: {reply.detail}")
            value = next((value for name, value in reply.headers if name.lower() == b"retry-after"), None)
            asked_s = asked_wait(value)
            token = read_answer(status=reply.status, body=reply.body, truncated=reply.truncated)
        except (BadAnswer, BadUrl, BadHeader) as error:
            self._failures += 1
            wait_s = pause_after(self._failures, asked_s=asked_s, random=random.random())
            self._again_at = self._loop.time() + wait_s
            self._failure = f"the token server {_sentence(error)}"
            raise NoToken(self._failure, wait_s=wait_s) from error
        self._failures = 0
        self._line = f"authorization: Bearer {token.value}\r\n".encode("ascii")
        self._until = self._loop.time() + token.usable_s
        return self._line


class Tokens:
    """The sources of one engine. Endpoints hold their own; these are kept so that the next version of one finds its token."""

    def __init__(self, sender: Sender, *, allow_http: bool, timeout_s: float = TIMEOUT_S) -> None:
        self._sender = sender
        self._allow_http, self._timeout_s = allow_http, timeout_s
        self._sources: OrderedDict[tuple[object, Grant, bytes], Source] = OrderedDict()

    def source(self, *, owner: object, grant: Grant, identity: Identity | None = None) -> Source:
        """The one of this owner's credential. An owner's token is never another's, even if all else is the same."""
        key = (owner, grant, b"" if identity is None else identity.digest)
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = Source(
                self._sender, grant, identity, allow_http=self._allow_http, timeout_s=self._timeout_s
            )
            if len(self._sources) > MOST_SOURCES:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end(key)
        return source

    def close(self) -> None:
        """End what is being fetched."""
        for source in self._sources.values():
            source.close()


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, BadAnswer) else f"may not be called: {error}"
