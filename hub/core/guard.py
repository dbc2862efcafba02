"""Which IP addresses the hub may call (the SSRF guard). It never resolves a name and never opens a socket."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_CACHED = 4096

# The IANA special-purpose registries (RFC 6890 and its updates); the first that fits gives the reason.
_REFUSED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "an address behind a carrier's NAT"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.169.254/32", "a cloud metadata address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("192.168.0.0/16", "a private address"),
        ("168.63.129.16/32", "a cloud metadata address"),
        ("198.18.0.0/15", "a benchmarking address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "a broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)
_REFUSED_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4 address written as IPv6"),
        ("::ffff:0:0:0/96", "an IPv4 address written as IPv6"),
        ("::/96", "an IPv4 address written as IPv6"),
        ("64:ff9b::/96", "an IPv4 address behind NAT64"),
        ("64:ff9b:1::/48", "an IPv4 address behind NAT64"),
        ("2001::/32", "a Teredo address"),
        ("2001:2::/48", "a benchmarking address"),
        ("2001:db8::/32", "a documentation address"),
        ("2001::/23", "a reserved address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
        ("5f00::/16", "a reserved address"),
        ("fd00:ec2::254/128", "a cloud metadata address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class AddressGuard:
    """Refuses every address that is not public unicast, but for the allowed networks.

    An allowed IPv4 network also opens the IPv4-mapped spelling (::ffff:a.b.c.d) of its addresses, since the
    kernel calls the same host. No other embedding (6to4, NAT64, Teredo) is opened by it: allow those by name.
    """

    __slots__ = ("_allowed", "_known", "allows_any", "allows_loopback")

    def __init__(self, allowed_networks: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed_networks)
        self._known: dict[str, str | None] = {}
        self.allows_any = bool(self._allowed)
        self.allows_loopback = any(
            network.overlaps(loopback)
            for network in self._allowed
            for loopback in _LOOPBACK
            if network.version == loopback.version
        )

    @classmethod
    def from_text(cls, text: str) -> AddressGuard:
        """Read "127.0.0.0/8, ::1/128"; ValueError names the entry that is wrong."""
        return cls([ip_network(part.strip()) for part in text.split(",") if part.strip()])

    def refuse(self, ip: str) -> str | None:
        """None if the address may be called, else what it is, in words ("a private address")."""
        try:
            return self._known[ip]
        except KeyError:
            reason = self._judge(ip)
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[ip] = reason
            return reason

    def _judge(self, ip: str) -> str | None:
        try:
            address: Address = ip_address(ip)
        except ValueError:
            return "not an IP address"
        if isinstance(address, IPv4Address):
            if self._is_allowed(address):
                return None
            return next((reason for network, reason in _REFUSED_V4 if address in network), None)
        if address.scope_id is not None:
            return "an address with a zone"
        mapped = address.ipv4_mapped
        if self._is_allowed(address) or (mapped is not None and self._is_allowed(mapped)):
            return None
        special = next((reason for network, reason in _REFUSED_V6 if address in network), None)
        return special or (None if address in _GLOBAL_V6 else "a reserved address")

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed if network.version == address.version)
