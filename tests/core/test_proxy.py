"""The setting that names a proxy: read strictly, and never repeated in an error."""

from __future__ import annotations

from base64 import b64decode

import pytest

from hub import env
from hub.core.proxy import BadProxy, Proxy


@pytest.mark.parametrize(
    ("text", "host", "port", "pair"),
    [
        ("http://proxy.example.com:3128", "proxy.example.com", 3128, None),
        (" http://10.0.0.7:8080/ ", "10.0.0.7", 8080, None),
        ("http://[2001:db8::7]:3128", "2001:db8::7", 3128, None),
        ("http://hub:pass@proxy:3128", "proxy", 3128, "hub:pass"),
        ("http://hub@proxy:3128", "proxy", 3128, "hub:"),
        ("http://h%40b:p%3A%2F%40%C3%A4@proxy:3128", "proxy", 3128, "h@b:p:/@ä"),
    ],
)
def test_a_proxy_is_a_host_a_port_and_perhaps_credentials(
    text: str, host: str, port: int, pair: str | None
) -> None:
    proxy = Proxy.from_url(text)
    assert (proxy.host, proxy.port) == (host, port)
    assert (b64decode(proxy.credentials.removeprefix("Basic ")).decode() or None) == pair
    assert "pass" not in repr(proxy)
    assert "pass" not in proxy.place


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://proxy", "http://:3128", "http://proxy:0",
        "http://proxy:99999", "http://proxy:port", "http://proxy:3128/path", "http://proxy:3128?x=s3cret", "http://[::1:3128",
        "http://a%0Ab:s3cret@proxy:3128", "http://a:s3cret%0D%0Ax@proxy:3128", "http://a%3Ab:s3cret@proxy:3128",
        "http://pro xy:3128", "http://proxy:3128#s3cret",
    ],
)  # fmt: skip
def test_anything_else_ends_the_start_with_a_sentence_that_repeats_nothing(text: str) -> None:
    with pytest.raises(BadProxy):
        Proxy.from_url(text)
    with pytest.raises(env.BadEnvironment, match=r"OUTBOUND_PROXY (must|has)") as caught:
        env.read({"OUTBOUND_PROXY": text})
    assert "s3cret" not in str(caught.value)


def test_no_proxy_is_the_default() -> None:
    assert env.read({})["OUTBOUND_PROXY"] is None
    assert env.read({"OUTBOUND_PROXY": " "})["OUTBOUND_PROXY"] is None
    assert env.read({"OUTBOUND_PROXY": "http://p:1"})["OUTBOUND_PROXY"] == Proxy("p", 1)
