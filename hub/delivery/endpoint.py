"""A subscription as the sender needs it: target, signer, limits and policy, prepared once and again after each change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hub.core import ids
from hub.core.http.sender import Sender
from hub.core.http.target import Target
from hub.core.signing import Signer
from hub.delivery.retry import Policy
from hub.subscriptions import vault
from hub.subscriptions.auth import authorization
from hub.subscriptions.policy import DEFAULT_RETRY_SCHEDULE_S

# "+ 0" keeps the order from being taken from the primary key, which would walk all secrets for each subscription.
COLUMNS = """s.id, s.uid, s.environment_id, s.consumer_id, s.shard, s.url, s.patterns, s.channels, s.headers_sealed,
 s.auth_kind, s.auth_sealed, s.rate_limit, s.rate_burst, s.parallelism, s.timeout_s, s.ordering, s.max_age_s,
 s.retry_schedule, s.capture, s.state, s.version, s.generation, s.deleted_at is not null,
 (select array_agg(x.sealed order by x.id + 0) from subscriptions_secret x where x.subscription_id = s.id),
 (select array_agg(extract(epoch from x.expires_at)::float8 order by x.id + 0)
    from subscriptions_secret x where x.subscription_id = s.id)"""


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
    env_paused: bool = False
    env_capture: str = "failures"
    target: Target | None = None
    refusal: str = ""
    suffix: str = ""
    policy: Policy = field(default_factory=Policy)
    _signer: Signer | None = None
    _signer_until: float = 0.0

    def __post_init__(self) -> None:
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

    def prepare(self, sender: Sender, *, allow_http: bool) -> Target | None:
        """The target, made at the first send; None with `refusal` set where the URL may not be called."""
        if self.target is None and not self.refusal:
            headers = [("content-type", "application/json")]
            headers += vault.open_map(
                subscription=self.uid, part="headers", sealed=self.headers_sealed
            ).items()
            secret = vault.open_map(subscription=self.uid, part="auth", sealed=self.auth_sealed)
            credentials = authorization(kind=self.auth_kind, secret=secret)
            if credentials is not None:
                headers.append(("authorization", credentials))
            try:
                self.target = sender.target(self.url, allow_http=allow_http, headers=headers)
            except ValueError as error:
                self.refusal = str(error)
        return self.target

    def signer(self, now: float) -> Signer:
        """Every secret that is live at `now` (seconds since 1970); made again when one of them expires."""
        if self._signer is None or now >= self._signer_until:
            live = [
                (sealed, expiry)
                for sealed, expiry in zip(self.sealed or (), self.expiries or (), strict=True)
                if expiry is None or expiry > now
            ]
            self._signer = Signer(
                [vault.open_secret(subscription=self.uid, sealed=sealed) for sealed, _ in live]
            )
            self._signer_until = min(
                (expiry for _, expiry in live if expiry is not None), default=float("inf")
            )
        return self._signer


def endpoint_of(row: tuple[Any, ...]) -> Endpoint:
    return Endpoint(*row)
