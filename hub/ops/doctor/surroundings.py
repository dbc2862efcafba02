"""Judges the environment's values and the machine's limits. Pure: what was read is given to it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from hub.core.proxy import Proxy
from hub.core.sealing import BadKeyring, Keyring
from hub.ops.doctor.finding import Finding, fail, ok, warn

FILES = 4096
GIB = 1 << 30
_METADATA = ipaddress.ip_address("169.254.169.254")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def keys(values: Mapping[str, Any]) -> list[Finding]:
    """SECRET_KEY and SEALING_KEYS."""
    found = []
    if len(values["SECRET_KEY"]) < 50 or len(set(values["SECRET_KEY"])) < 5:
        make = "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        found.append(
            warn("SECRET_KEY", "is shorter than 50 characters, or hardly random", f"Set one made by {make}.")
        )
    try:
        ring = Keyring.from_text(values["SEALING_KEYS"])
        found.append(ok("SEALING_KEYS", f"{len(ring.keys)} keys, {ring.current!r} seals"))
    except BadKeyring as error:
        found.append(fail("SEALING_KEYS", str(error), "Mend the entry; without it no secret can be opened."))
    return found


def paused(value: bool) -> list[Finding]:
    """PAUSED."""
    if not value:
        return []
    return [
        warn(
            "PAUSED",
            "nothing is sent; what comes in waits",
            "Unset it and restart the workers when all is well.",
        )
    ]


def addresses(*, public_url: str, allowed_hosts: Sequence[str], debug: bool) -> list[Finding]:
    """PUBLIC_URL, ALLOWED_HOSTS, DEBUG."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    local = _is_loopback(host)
    found = []
    if not local and parts.scheme != "https":
        found.append(
            warn("PUBLIC_URL", f"{public_url} is not https: logins and API keys travel in the open",
                 "Put a TLS proxy in front and set PUBLIC_URL=https://….")
        )  # fmt: skip
    else:
        found.append(ok("PUBLIC_URL", public_url))
    if "*" in allowed_hosts:
        found.append(warn("ALLOWED_HOSTS", "any host name is answered to", f"Set ALLOWED_HOSTS={host}."))
    elif not any(_matches(host, pattern) for pattern in allowed_hosts):
        found.append(
            fail("ALLOWED_HOSTS", f"{host} is not in it, so PUBLIC_URL answers 400",
                 f"Add {host}: ALLOWED_HOSTS={','.join([*allowed_hosts, host])}.")
        )  # fmt: skip
    else:
        found.append(ok("ALLOWED_HOSTS", ", ".join(allowed_hosts)))
    if debug:
        judge = warn if local else fail
        found.append(judge("DEBUG", "is on: errors show code and settings to anybody", "Set DEBUG=false."))
    else:
        found.append(ok("DEBUG", "off"))
    return found


def outbound(*, networks: Sequence[Network], http: bool) -> list[Finding]:
    """Which private addresses deliveries may reach."""
    found = []
    names = ", ".join(map(str, networks))
    wide = [n for n in networks if n.num_addresses >= 2 ** (n.max_prefixlen - 4)]
    metadata = [n for n in networks if _METADATA in n]
    if wide or metadata:
        what = "opens (nearly) every address" if wide else "opens the cloud's metadata service"
        found.append(
            fail("outbound", f"OUTBOUND_NETWORKS={names} {what} to whoever registers a URL",
                 "Name only the networks that hold your own receivers, or none.")
        )  # fmt: skip
    elif networks:
        found.append(
            warn("outbound", f"deliveries may reach {names}",
                 "For a hub that others use: leave OUTBOUND_NETWORKS empty.")
        )  # fmt: skip
    else:
        found.append(ok("outbound", "public addresses only"))
    if http:
        found.append(
            warn("outbound", "subscriptions may use http:// URLs", "For a hub that others use: set OUTBOUND_HTTP=false.")
        )  # fmt: skip
    return found


def egress(proxy: Proxy | None) -> Iterator[Finding]:
    """OUTBOUND_PROXY: what travels to it, does so without TLS of its own."""
    if proxy is not None and proxy.credentials and not _is_near(proxy.host):
        yield warn("OUTBOUND_PROXY", f"its user name and password go unencrypted to {proxy.place}",
                   "Reach it by a private address of your own network, or let it know the hub by its address.")  # fmt: skip
    elif proxy is not None:
        yield ok("OUTBOUND_PROXY", f"all deliveries go through {proxy.place}")


def open_files(limit: int) -> Finding:
    """`limit`: of this process; -1 is unlimited."""
    if limit < 0 or limit >= FILES:
        return ok("open files", "unlimited" if limit < 0 else f"{limit:,}")
    return warn(
        "open files", f"only {limit:,} at once: a socket each for requests and deliveries",
        f"Run with `ulimit -n {FILES}` or more (LimitNOFILE= in a systemd unit).",
    )  # fmt: skip


def disk(*, free: int, total: int, folder: str) -> Finding:
    """Bytes."""
    detail = f"{free / GIB:.1f} GiB free of {total / GIB:.0f} in {folder}"
    if free < GIB:
        return fail("disk", detail, "Free some space: PostgreSQL stops when its disk is full.")
    if free < 5 * GIB or free < total // 20:
        return warn(
            "disk", detail, "Free some space, or detach and drop the oldest days (docs/operating.md)."
        )
    return ok("disk", detail)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".internal", ".local", ".localhost"))


def _matches(host: str, pattern: str) -> bool:
    # As Django does it: a leading dot stands for the domain and everything below it.
    pattern = pattern.strip("[]").lower()
    return host == pattern or (pattern.startswith(".") and (host.endswith(pattern) or host == pattern[1:]))
