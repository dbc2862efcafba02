"""Every reason has its words; every status and error has its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.http.reply import ERRORS
from hub.delivery.outcome import SENDER_ERRORS, Reason, asked_wait, classify, parse_retry_after

NOW = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_the_stored_numbers_never_change() -> None:
    assert [reason.name for reason in Reason] == [
        *("delivered", "dns", "connect_refused", "connect_timeout", "connect_failed"),
        *(
            "tls_expired",
            "tls_name",
            "tls_untrusted",
            "tls_failed",
            "read_timeout",
            "reset",
            "invalid_response",
        ),
        *(
            "http_3xx",
            "http_401",
            "http_403",
            "http_404",
            "http_410",
            "http_413",
            "http_429",
            "http_4xx",
            "http_5xx",
        ),
        *("blocked_address", "filtered", "breaker_open", "rate_limited", "expired", "cancelled"),
        *("transform_error", "schema_invalid", "expunged", "subscription_deleted", "too_large"),
        *("token_failed", "client_certificate_refused", "proxy_failed"),
    ]
    assert [int(reason) for reason in Reason] == list(range(35))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_happened_in_a_sentence_of_its_own(reason: Reason) -> None:
    assert reason.sentence[0].isupper()
    assert reason.sentence.endswith(".")
    assert [other for other in Reason if other.sentence == reason.sentence] == [reason]
    assert Reason.from_code(reason.code) is reason
    assert reason.code == reason.name.replace("_", "-")


def test_only_what_leaves_nothing_to_do_has_no_next_step() -> None:
    silent = {reason for reason in Reason if not reason.next_step}
    assert silent == {Reason.delivered, Reason.expunged, Reason.subscription_deleted}


def test_what_is_permanent_is_not_tried_again() -> None:
    assert {reason for reason in Reason if reason.permanent} == {
        *(Reason.http_410, Reason.http_413, Reason.blocked_address, Reason.filtered, Reason.expired),
        *(Reason.cancelled, Reason.transform_error, Reason.schema_invalid, Reason.expunged),
        *(Reason.subscription_deleted, Reason.too_large),
    }
    assert all(
        reason.permanent is not reason.retryable for reason in Reason if reason is not Reason.delivered
    )


def test_only_an_unwell_endpoint_counts_for_the_breaker() -> None:
    assert {reason for reason in Reason if not reason.counts} == {
        *(Reason.delivered, Reason.http_413, Reason.http_429, Reason.blocked_address, Reason.filtered),
        *(Reason.breaker_open, Reason.rate_limited, Reason.expired, Reason.cancelled, Reason.transform_error),
        *(Reason.schema_invalid, Reason.expunged, Reason.subscription_deleted, Reason.too_large),
        # The hub's own trouble, and no endpoint's.
        Reason.proxy_failed,
    }


def test_only_gone_disables_the_subscription() -> None:
    assert [reason for reason in Reason if reason.disables] == [Reason.http_410]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((status, Reason.delivered) for status in (200, 201, 202, 204, 299)),
        *((status, Reason.http_3xx) for status in (300, 301, 302, 304, 307, 308, 399)),
        *((status, Reason.http_4xx) for status in (400, 402, 405, 408, 411, 422, 499)),
        *((status, Reason.http_5xx) for status in (500, 501, 502, 503, 504, 599)),
        *((status, Reason.invalid_response) for status in (-1, 0, 100, 101, 199, 600, 999)),
        *((401, Reason.http_401), (403, Reason.http_403), (404, Reason.http_404)),
        *((410, Reason.http_410), (413, Reason.http_413), (429, Reason.http_429)),
    ],
)
def test_a_status_has_its_reason(status: int, reason: Reason) -> None:
    assert classify(status=status, error="") is reason


def test_whatever_the_sender_reports_is_known() -> None:
    assert set(ERRORS) == SENDER_ERRORS


@pytest.mark.parametrize("error", sorted(SENDER_ERRORS))
@pytest.mark.parametrize("status", [0, 200, 410])
def test_an_error_wins_over_a_status(status: int, error: str) -> None:
    assert classify(status=status, error=error) is Reason.from_code(error)


def test_an_error_without_a_reason_is_not_swallowed() -> None:
    with pytest.raises(ValueError, match="'http-5xx', which has no reason; add it"):
        classify(status=0, error="http-5xx")
    with pytest.raises(ValueError, match="unknown reason 'nope'; use one of: blocked-address, "):
        Reason.from_code("nope")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"", None),
        (b"soon", None),
        (b"1 2 3", None),
        (b"12 seconds", None),
        (b"0x10", None),
        (b"1e3", None),
        (b"inf", None),
        (b"nan", None),
        (b"+5", None),
        (b"\xd9\xa3", None),
        (b"\xff 08:49:37", None),
        (b"9" * 19, None),
        (b"120".rjust(65), None),
        (b"99 99 99 99:99:99", None),
        (b"Sun, 99 Nov 1994 08:49:37 GMT", None),
        (b"0", 0.0),
        (b"-0", 0.0),
        (b"-17", 0.0),
        (b"120", 120.0),
        (b" 120 ", 120.0),
        (b"1.5", 1.5),
        (b"9" * 18, 1e18),
        (b"Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        (b"Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        (b"Sun Nov  6 08:50:37 1994", 60.0),
        (b"Sun, 06 Nov 1994 08:50:37 -0000", 60.0),
        (b"Sun, 06 Nov 1994 10:50:37 +0200", 60.0),
        (b"Sun, 06 Nov 1994 08:48:37 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_none(
    value: bytes | None, seconds: float | None
) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


def test_retry_after_does_not_depend_on_the_zone_of_the_clock() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=-7)))
    assert parse_retry_after(b"Sun, 06 Nov 1994 08:50:37 GMT", now=local) == 60.0


@settings(deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet="0123456789:-., GMTSunNov+", max_size=40).map(str.encode))
def test_no_header_makes_retry_after_fail_or_go_negative(value: bytes) -> None:
    seconds = parse_retry_after(value, now=NOW)
    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize(
    ("status", "seconds"), [(429, 7.0), (503, 7.0), (500, None), (502, None), (301, None)]
)
def test_retry_after_is_honoured_on_429_and_503_alone(status: int, seconds: float | None) -> None:
    assert asked_wait(status=status, retry_after=b"7", now=NOW) == seconds
