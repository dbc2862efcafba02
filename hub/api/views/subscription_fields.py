"""The shape of a subscription in the API, in and out.

What values make sense is for hub.subscriptions to say.
"""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from hub.api import fields
from hub.core import client_certificates
from hub.subscriptions import policy, simulation
from hub.subscriptions.auth import CLIENT_AUTHS, LONGEST
from hub.subscriptions.models import Secret, Subscription
from hub.tenants.models import Capture

PATTERN = r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)\Z"
CHANNEL = r"^[A-Za-z0-9_.:-]{1,64}\Z"
_CAPTURES = [("", "the environment's"), *Capture.choices]


class Auth(fields.Strict):
    """How the hub authenticates at the endpoint: none, basic (username, password), bearer (token) or oauth2, client
    credentials (token_url, client_id, client_secret; scope, audience, resource and client_auth if wanted). Kept sealed;
    only the kind is shown.
    """

    kind = fields.Choice(Subscription.Auth.choices)
    username = fields.Text(required=False, write_only=True, max_length=LONGEST["username"])
    password = fields.Text(required=False, write_only=True, max_length=LONGEST["password"], allow_blank=True)
    token = fields.Text(required=False, write_only=True, max_length=LONGEST["token"])
    token_url = fields.Text(
        required=False,
        write_only=True,
        max_length=LONGEST["token_url"],
        help_text="https://…; called with the address checks of every delivery.",
    )
    client_id = fields.Text(required=False, write_only=True, max_length=LONGEST["client_id"])
    client_secret = fields.Text(required=False, write_only=True, max_length=LONGEST["client_secret"])
    scope = fields.Text(required=False, write_only=True, max_length=LONGEST["scope"])
    audience = fields.Text(required=False, write_only=True, max_length=LONGEST["audience"])
    resource = fields.Text(
        required=False, write_only=True, max_length=LONGEST["resource"], help_text="RFC 8707."
    )
    client_auth = fields.Choice(
        CLIENT_AUTHS,
        required=False,
        write_only=True,
        help_text="Where client_id and client_secret go: in a basic header (default) or in the body.",
    )

    class Meta:
        ref_name = "Auth"


class NewCertificate(fields.Strict):
    """What the hub presents to an endpoint that asks for a client certificate, and to its token server. Kept sealed."""

    chain = fields.Text(
        max_length=client_certificates.MAX_CHAIN,
        help_text="PEM: the client certificate, then those that issued it.",
    )
    key = fields.Text(
        max_length=client_certificates.MAX_KEY, help_text="Its private key as PEM, unencrypted."
    )

    class Meta:
        ref_name = "NewClientCertificate"


class Certificate(serializers.Serializer[None]):
    subject = serializers.CharField(allow_blank=True)
    issuer = serializers.CharField(allow_blank=True)
    fingerprint_sha256 = serializers.CharField()
    not_after = serializers.DateTimeField(help_text="Set a new one before.")

    class Meta:
        ref_name = "ClientCertificate"


class Simulate(fields.Strict):
    """What attempts are told to come to instead of a request to the endpoint; in environments of kind test only. One of
    status, reset and slow_body, with latency_ms or without; latency_ms alone answers 200 after it.
    """

    status = fields.Whole(required=False, allow_null=True, min_value=100, max_value=599)
    latency_ms = fields.Whole(
        required=False,
        min_value=0,
        max_value=simulation.MOST_LATENCY_MS,
        help_text="Counts against timeout_s.",
    )
    reset = fields.Flag(required=False, help_text="The connection is closed without an answer.")
    slow_body = fields.Flag(required=False, help_text="The answer begins, but does not end in time.")
    probability = fields.Number(required=False, min_value=0.0, max_value=1.0)
    first = fields.Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=1_000,
        help_text="Only the first so many attempts of each delivery; null: all.",
    )
    retry_after_s = fields.Whole(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=simulation.MOST_RETRY_AFTER_S,
        help_text="The Retry-After of a 429 or 503.",
    )

    class Meta:
        ref_name = "Simulate"


class Input(fields.Strict):
    name = fields.Line(required=False)
    url = fields.Text(
        max_length=2048, help_text="https://…; names are resolved and checked at each connection."
    )
    patterns = fields.Items(
        child=fields.Text(
            max_length=128,
            validators=[fields.pattern(PATTERN, "is no pattern: order.created, order.* or *")],
        ),
        min_length=1,
        max_length=policy.MAX_PATTERNS,
        help_text="Event types, exact or as `order.*`; `*` is all but the hub's own.",
    )
    channels = fields.Items(
        child=fields.Text(
            validators=[fields.pattern(CHANNEL, "is no channel: 1 to 64 of A-Z a-z 0-9 _ . : -")]
        ),
        required=False,
        max_length=policy.MAX_CHANNELS,
        help_text="If given, only events in one of these.",
    )
    headers = fields.Headers(
        required=False,
        write_only=True,
        help_text="Sent with every delivery. Kept sealed; only the names are shown.",
    )
    auth = Auth(required=False)
    client_certificate = NewCertificate(required=False, allow_null=True, help_text="null: none.")
    rate_limit = fields.Number(required=False, allow_null=True, min_value=0.1, max_value=10_000)
    rate_burst = fields.Whole(required=False, allow_null=True, min_value=1, max_value=10_000)
    parallelism = fields.Whole(required=False, min_value=1, max_value=256)
    timeout_s = fields.Whole(required=False, min_value=1, max_value=60)
    ordering = fields.Choice(Subscription.Ordering.choices, required=False)
    max_age_s = fields.Whole(required=False, min_value=60, max_value=14 * policy.DAY_S)
    retry_schedule = fields.Items(
        child=fields.Whole(min_value=1, max_value=7 * policy.DAY_S),
        required=False,
        allow_null=True,
        max_length=policy.MAX_RETRIES,
        help_text="Seconds to wait before each retry; null is the default schedule, [] no retries.",
    )
    simulate = Simulate(required=False, allow_null=True, help_text="null: nothing is simulated.")
    capture = fields.Choice(_CAPTURES, required=False, allow_blank=True)
    metadata = fields.Object(required=False, help_text="Anything, up to 8 KiB.")

    class Meta:
        ref_name = "SubscriptionInput"


class NewInput(Input):
    consumer = fields.Text(
        required=False, max_length=128, help_text="con_ id or uid; left out: the environment's own."
    )
    secret_kind = fields.Choice(Secret.Kind.choices, required=False)
    secret = fields.Text(
        required=False, max_length=200, help_text="Your own whsec_ or whsk_; left out: a new one."
    )

    class Meta:
        ref_name = "NewSubscription"


class Output(serializers.Serializer[Subscription]):
    id = serializers.CharField(source="uid")
    name = serializers.CharField(allow_blank=True)
    consumer = serializers.CharField(source="consumer.public_id", allow_null=True, default=None)
    url = serializers.CharField()
    patterns = serializers.ListField(child=serializers.CharField())
    channels = serializers.ListField(child=serializers.CharField())
    header_names = serializers.ListField(child=serializers.CharField())
    auth = serializers.SerializerMethodField()
    client_certificate = Certificate(allow_null=True)
    rate_limit = serializers.FloatField(allow_null=True)
    rate_burst = serializers.IntegerField(allow_null=True)
    parallelism = serializers.IntegerField()
    timeout_s = serializers.IntegerField()
    ordering = serializers.ChoiceField(Subscription.Ordering.choices)
    max_age_s = serializers.IntegerField()
    retry_schedule = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    simulate = Simulate(allow_null=True)
    capture = serializers.ChoiceField(_CAPTURES)
    metadata = fields.Object()
    state = serializers.ChoiceField(Subscription.State.choices)
    state_reason = serializers.CharField(allow_blank=True)
    state_since = serializers.DateTimeField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Subscription"

    @extend_schema_field(Auth)
    def get_auth(self, row: Subscription) -> dict[str, str]:
        return {"kind": row.auth_kind}


class Created(Output):
    secret = serializers.CharField(help_text="whsec_ of hmac, the public whpk_ key of ed25519.")

    class Meta:
        ref_name = "CreatedSubscription"
