"""A token server's credential as tests ask for it, and a failure that must show no secret anywhere."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from hub.core.http.sender import Sender
from hub.core.http.tokens import NoToken, Source, Tokens
from hub.core.oauth import Grant

SECRET = "s3cret/+:"


def source_of(sender: Sender, url: str, **settings: Any) -> Source:
    made = {name: settings.pop(name) for name in ("owner", "identity") if name in settings}
    tokens = Tokens(
        sender, allow_http=settings.pop("allow_http", True), timeout_s=settings.pop("timeout_s", 3.0)
    )
    return tokens.source(
        **{"owner": 1, **made}, grant=Grant(url, "hub", settings.pop("secret", SECRET), **settings)
    )


async def refusal(source: Source) -> NoToken:
    """The failure of a fetch; it shows no secret anywhere."""
    with pytest.raises(NoToken) as caught:
        await source.fetched()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value
