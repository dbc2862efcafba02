"""A subscription as the sender needs it: target, signer, limits and policy, prepared once and again after each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from hub.core import ids
from hub.core.addresses import AddressGuard, check_url
from hub.core.client_certificates import Identity
from hub.core.http.connection import Origin
from hub.core.http.sender import Sender
from hub.core.http.target import Target, request_head
from hub.core.http.tokens import Source, Tokens
from hub.core.signing import Signer
from hub.delivery.retry import Policy
from hub.sinks import addresses
from hub.subscriptions import vault
from hub.subscriptions.auth import authorization, grant
from hub.subscriptions.policy import DEFAULT_RETRY_SCHEDULE_S

# "+ 0" keeps the order from being taken from the primary key, which would walk all secrets for each subscription.
COLUMNS = """s.id, s.uid, s.environment_id, s.consumer_id, s.shard, s.url, s.patterns, s.channels, s.headers_sealed,
 s.auth_kind, s.auth_sealed, s.rate_limit, s.rate_burst, s.parallelism, s.timeout_s, s.ordering, s.max_age_s,
 s.retry_schedule, s.capture, s.state, s.version, s.generation, s.deleted_at is not null,
 (select array_agg(x.sealed order by x.id + 0) from subscriptions_secret x where x.subscription_id = s.id),
 (select array_agg(extract(epoch from x.expires_at)::float8 order by x.id + 0)
    from subscriptions_secret x where x.subscription_id = s.id),
 s.client_certificate_sealed, s.simulate"""
# Only for reading the URL of a sink, to which nothing is ever connected.
_NOWHERE = AddressGuard([ip_network("0.0.0.0/0"), ip_network("::/0")])


@dataclass(slots=True)
class Endpoint:
    """One row of COLUMNS. Secrets are opened at the first send, not before."""

    id: int
    uid: str
    env: int
    consumer: int | None
    shard: int
    url: str
    patterns: list[str]
    channels: list[str]
    headers_sealed: bytes | None
    auth_kind: str
    auth_sealed: bytes | None
    rate_limit: float | None
    rate_burst: int | None
    parallelism: int
    timeout_s: int
    ordering: str
    max_age_s: int
    retry_schedule: list[int] | None
    capture: str
    state: str
    version: int
    generation: int
    deleted: bool
    sealed: list[bytes] | None
    expiries: list[float | None] | None
    client_certificate_sealed: bytes | None = None
    simulate: dict[str, Any] | None = None
    env_paused: bool = False
    env_capture: str = "failures"
    target: Target | None = None
    refusal: str = ""
    suffix: str = ""
    needs_token: bool = False
    to_sink: bool = False
    detour: bool = False
    hidden: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    _signer: Signer | None = None
    _signer_until: float = 0.0
    _identity: Identity | None = None
    _tokens: Source | None = None

    def __post_init__(self) -> None:
        self.needs_token = self.auth_kind == "oauth2"
        self.to_sink = addresses.is_sink(self.url)
        # The one attribute that an attempt looks at; see detours.py.
        self.detour = self.to_sink or self.simulate is not None
        self.suffix = ids.subscription_suffix(self.id)
        self.policy = Policy(
            tuple(DEFAULT_RETRY_SCHEDULE_S if self.retry_schedule is None else self.retry_schedule),
            self.max_age_s,
        )

    @property
    def routed(self) -> bool:
        """Do new events make deliveries for it? A paused one's wait, a disabled one gets none."""
        return not self.deleted and self.state in ("active", "paused")

    @property
    def sends(self) -> bool:
        return not self.deleted and self.state == "active" and not self.env_paused

    @property
    def captures(self) -> str:
        return self.capture or self.env_capture

    @property
    def credentials(self) -> tuple[str, bytes | None, bytes | None]:
        """With what the hub proves at the endpoint who it is, as far as one can be told from another."""
        return self.auth_kind, self.auth_sealed, self.client_certificate_sealed

    def prepare(self, sender: Sender, *, allow_http: bool) -> Target | None:
        """The target, made at the first send; None with `refusal` set where the URL may not be called."""
        if self.target is None and not self.refusal:
            headers = [("content-type", "application/json")]
            custom = vault.open_map(subscription=self.uid, part="headers", sealed=self.headers_sealed)
            self.hidden = tuple(name.lower() for name in custom)
            headers += custom.items()
            secret = vault.open_map(subscription=self.uid, part="auth", sealed=self.auth_sealed)
            credentials = authorization(kind=self.auth_kind, secret=secret)
            if credentials is not None:
                headers.append(("authorization", credentials))
            try:
                self.target = (
                    _unsent(self.url, headers)
                    if self.to_sink
                    else sender.target(
                        self.url, allow_http=allow_http, headers=headers, identity=self._opened_identity()
                    )
                )
            except ValueError as error:
                self.refusal = str(error)
        return self.target

    def token_source(self, tokens: Tokens) -> Source:
        """Where its access tokens come from; only if it `needs_token`."""
        if self._tokens is None:
            secret = vault.open_map(subscription=self.uid, part="auth", sealed=self.auth_sealed)
            # By environment, so that a partner with several subscriptions is asked for one token.
            self._tokens = tokens.source(
                owner=self.env, grant=grant(secret=secret), identity=self._opened_identity()
            )
        return self._tokens

    def _opened_identity(self) -> Identity | None:
        if self._identity is None and self.client_certificate_sealed is not None:
            opened = vault.open_map(
                subscription=self.uid, part="client-certificate", sealed=self.client_certificate_sealed
            )
            self._identity = Identity(opened["chain"], opened["key"])
        return self._identity

    def signer(self, now: float) -> Signer:
        """Every secret that is live at `now` (seconds since 1970); made again when one of them expires."""
        if self._signer is None or now >= self._signer_until:
            live = self._live(now)
            self._signer = Signer(self.secrets(now))
            self._signer_until = min(
                (expiry for _, expiry in live if expiry is not None), default=float("inf")
            )
        return self._signer

    def secrets(self, now: float) -> list[str]:
        """Opened, those that are live at `now`."""
        return [vault.open_secret(subscription=self.uid, sealed=sealed) for sealed, _ in self._live(now)]

    def _live(self, now: float) -> list[tuple[bytes, float | None]]:
        return [
            (sealed, expiry)
            for sealed, expiry in zip(self.sealed or (), self.expiries or (), strict=True)
            if expiry is None or expiry > now
        ]


def _unsent(url: str, headers: list[tuple[str, str]]) -> Target:
    """A request that no connection will carry: read as strictly as any, judged by no guard. Raises ValueError."""
    endpoint = check_url(url, allow_http=True, guard=_NOWHERE)
    head = request_head(endpoint, method="POST", headers=headers, user_agent="Trunkline/1.0")
    origin = Origin(tls=endpoint.scheme == "https", host=endpoint.host, port=endpoint.port)
    return Target(endpoint=endpoint, origin=origin, method="POST", head=head, head_only=False)


def endpoint_of(row: tuple[Any, ...]) -> Endpoint:
    return Endpoint(*row)
