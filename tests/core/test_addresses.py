"""A URL is read in one way or refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.addresses import AddressGuard, BadUrl, Endpoint, check_url

STRICT = AddressGuard()
LOCAL = AddressGuard.from_text("127.0.0.0/8, ::1/128")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://example.com", Endpoint("https", "example.com", 443, b"/", "example.com", False)),
        (
            "HTTPS://Example.COM:443/A?b=C",
            Endpoint("https", "example.com", 443, b"/A?b=C", "example.com", False),
        ),
        ("https://a.b:8443/x", Endpoint("https", "a.b", 8443, b"/x", "a.b:8443", False)),
        ("https://a.b?x=1", Endpoint("https", "a.b", 443, b"/?x=1", "a.b", False)),
        ("https://a.b/ü?q=%20'|", Endpoint("https", "a.b", 443, b"/%C3%BC?q=%20'%7C", "a.b", False)),
        (
            "https://bücher.example/",
            Endpoint("https", "xn--bcher-kva.example", 443, b"/", "xn--bcher-kva.example", False),
        ),
        ("https://8.8.8.8/", Endpoint("https", "8.8.8.8", 443, b"/", "8.8.8.8", True)),
        (
            "https://[2606:4700:0::1]:444/",
            Endpoint("https", "2606:4700::1", 444, b"/", "[2606:4700::1]:444", True),
        ),
        (
            "https://my_host.example.com/",
            Endpoint("https", "my_host.example.com", 443, b"/", "my_host.example.com", False),
        ),
    ],
)
def test_a_good_url_is_taken_apart(url: str, endpoint: Endpoint) -> None:
    assert check_url(url, allow_http=False, guard=STRICT) == endpoint


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "empty"),
        ("https://a.b/" + "x" * 2048, "length"),
        ("http://example.com/", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("//example.com", "scheme"),
        ("https:/example.com", "scheme"),
        ("example.com", "scheme"),
        ("https://example.com/#top", "fragment"),
        ("https://example.com#@evil.com", "fragment"),
        ("https://user:pass@example.com/", "userinfo"),
        ("https://example.com@evil.com/", "userinfo"),
        ("https://@example.com/", "userinfo"),
        ("https://example.com\\@evil.com/", "character"),
        ("https://example.com/\r\nx: y", "character"),
        ("https://example.com/a b", "character"),
        ("https://example.com/\t", "character"),
        ("https://exa\x00mple.com/", "character"),
        ("https://example.com/\u2028", "character"),
        ("https://exa\u200bmple.com/", "character"),
        ("https://example.com/\ud800", "character"),
        ("https://example.com/\u00a0", "character"),
        ("https://", "host"),
        ("https:///path", "host"),
        ("https://:443/", "host"),
        ("https://example.com./", "host"),
        ("https://a..b/", "host"),
        ("https://-a.example/", "host"),
        ("https://ex%61mple.com/", "host"),
        ("https://" + "a" * 64 + ".com/", "host"),
        ("https://" + "a." * 130 + "com/", "host"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:/", "port"),
        ("https://example.com:8x/", "port"),
        ("https://example.com:-1/", "port"),
        ("https://example.com:80:80/", "port"),
        ("https://2130706433/", "ip-spelling"),
        ("https://0177.0.0.1/", "ip-spelling"),
        ("https://0x7f.1/", "ip-spelling"),
        ("https://0x7f000001/", "ip-spelling"),
        ("https://127.1/", "ip-spelling"),
        ("https://1.2.3.4.5/", "ip-spelling"),
        ("https://example.0x10/", "ip-spelling"),
        ("https://\uff11\uff12\uff17.1/", "ip-spelling"),
        ("https://[::1/", "ip-spelling"),
        ("https://[v1.x]/", "ip-spelling"),
        ("https://[::1]x/", "ip-spelling"),
        ("https://127.0.0.1/", "blocked-address"),
        ("https://\uff11\uff12\uff17\u30020\u30020\u30021/", "blocked-address"),
        ("https://[::1]/", "blocked-address"),
        ("https://[::ffff:127.0.0.1]/", "blocked-address"),
        ("https://[fe80::1%25eth0]/", "blocked-address"),
        ("https://169.254.169.254/latest/meta-data", "blocked-address"),
        ("https://localhost/", "blocked-address"),
        ("https://LOCALHOST:8000/", "blocked-address"),
        ("https://a.localhost/", "blocked-address"),
        ("https://printer.local/", "blocked-address"),
        ("https://metadata.google.internal/", "blocked-address"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason(url: str, code: str) -> None:
    with pytest.raises(BadUrl) as caught:
        check_url(url, allow_http=False, guard=STRICT)
    assert (caught.value.code, str(caught.value)) == (code, caught.value.sentence)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/x", "http://127.0.0.1:1/", "http://[::1]:1/", "http://api.internal/"]
)
def test_an_open_network_opens_its_names(url: str) -> None:
    assert check_url(url, allow_http=True, guard=LOCAL).scheme == "http"


def test_opening_a_private_network_does_not_open_localhost() -> None:
    guard = AddressGuard.from_text("10.0.0.0/8")
    assert check_url("https://api.internal/", allow_http=False, guard=guard).host == "api.internal"
    with pytest.raises(BadUrl, match="localhost"):
        check_url("https://localhost/", allow_http=False, guard=guard)


@given(st.one_of(st.text(), st.text().map("https://".__add__), st.text().map("https://a.b".__add__)))
def test_any_text_is_read_or_refused_and_nothing_else(url: str) -> None:
    try:
        endpoint = check_url(url, allow_http=True, guard=STRICT)
    except BadUrl:
        return
    assert endpoint.target.startswith(b"/")
    assert not set(endpoint.target) & set(b"\r\n\0 #\\")
    assert endpoint.authority.isascii()
