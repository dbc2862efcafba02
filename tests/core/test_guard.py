"""Only public unicast may be called, and what was allowed by name."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.guard import AddressGuard

STRICT = AddressGuard()


@pytest.mark.parametrize(
    ("ip", "reason"),
    [
        ("10.1.2.3", "a private address"),
        ("172.31.255.255", "a private address"),
        ("192.168.0.1", "a private address"),
        ("127.0.0.1", "a loopback address"),
        ("127.255.0.9", "a loopback address"),
        ("169.254.169.254", "a cloud metadata address"),
        ("168.63.129.16", "a cloud metadata address"),
        ("169.254.1.1", "a link-local address"),
        ("100.64.0.1", "an address behind a carrier's NAT"),
        ("224.0.0.1", "a multicast address"),
        ("240.0.0.1", "a reserved address"),
        ("255.255.255.255", "a broadcast address"),
        ("0.0.0.0", "an unspecified address"),
        ("0.1.2.3", "an unspecified address"),
        ("192.0.2.1", "a documentation address"),
        ("198.51.100.1", "a documentation address"),
        ("203.0.113.1", "a documentation address"),
        ("198.18.0.1", "a benchmarking address"),
        ("192.0.0.8", "a reserved address"),
        ("192.88.99.1", "a 6to4 relay address"),
        ("::", "an unspecified address"),
        ("::1", "a loopback address"),
        ("::ffff:8.8.8.8", "an IPv4 address written as IPv6"),
        ("::ffff:127.0.0.1", "an IPv4 address written as IPv6"),
        ("::7f00:1", "an IPv4 address written as IPv6"),
        ("::ffff:0:808:808", "an IPv4 address written as IPv6"),
        ("64:ff9b::808:808", "an IPv4 address behind NAT64"),
        ("64:ff9b:1::1", "an IPv4 address behind NAT64"),
        ("2001::1", "a Teredo address"),
        ("2002:7f00:1::", "a 6to4 address"),
        ("2001:2::1", "a benchmarking address"),
        ("2001:db8::1", "a documentation address"),
        ("3fff::1", "a documentation address"),
        ("5f00::1", "a reserved address"),
        ("100::1", "a reserved address"),
        ("fc00::1", "a private address"),
        ("fd12::1", "a private address"),
        ("fd00:ec2::254", "a cloud metadata address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%eth0", "an address with a zone"),
        ("2606:4700::1%1", "an address with a zone"),
        ("fec0::1", "a site-local address"),
        ("ff02::1", "a multicast address"),
        ("4000::1", "a reserved address"),
        ("127.1", "not an IP address"),
        ("example.com", "not an IP address"),
    ],
)
def test_what_is_not_public_is_refused_in_words(ip: str, reason: str) -> None:
    assert STRICT.refuse(ip) == reason
    assert STRICT.refuse(ip) == reason


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"]
)
def test_public_addresses_may_be_called(ip: str) -> None:
    assert STRICT.refuse(ip) is None


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address),
        st.integers(0, 2**128 - 1).map(IPv6Address),
        st.integers(0, 2**32 - 1).map(lambda low: IPv6Address(0xFFFF << 32 | low)),
        st.integers(0, 2**112 - 1).map(lambda low: IPv6Address(0x2001 << 112 | low)),
    )
)
def test_nothing_is_let_through_that_python_calls_not_global(address: IPv4Address | IPv6Address) -> None:
    if STRICT.refuse(str(address)) is None:
        assert address.is_global
        assert not address.is_multicast


def test_an_allowed_network_is_open_also_as_mapped_ipv6() -> None:
    guard = AddressGuard.from_text("127.0.0.0/8, fd00::/8")
    for ip in ("127.0.0.1", "::ffff:127.0.0.1", "fd00::1", "8.8.8.8"):
        assert guard.refuse(ip) is None, ip
    for ip in (
        "10.0.0.1",
        "::1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "fd00::1%1",
    ):
        assert guard.refuse(ip) is not None, ip


def test_the_guard_knows_whether_loopback_is_open() -> None:
    assert AddressGuard.from_text("127.0.0.1/32").allows_loopback
    assert AddressGuard.from_text("::1").allows_loopback
    assert not AddressGuard.from_text("10.0.0.0/8").allows_loopback
    assert not STRICT.allows_any


def test_a_wrong_network_is_refused() -> None:
    with pytest.raises(ValueError, match="host bits set"):
        AddressGuard.from_text("10.0.0.1/8")


def test_the_memory_of_the_guard_is_bounded() -> None:
    guard = AddressGuard()
    for number in range(10_000):
        guard.refuse(str(ip_address(0x08000000 + number)))
    assert len(guard._known) <= 4096
