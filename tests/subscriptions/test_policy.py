"""What a subscription's fields may hold, what is said about the rest, and which states may follow which."""

from __future__ import annotations

from itertools import product

import pytest

from hub.subscriptions.policy import (
    DEFAULT_MAX_AGE_S,
    DEFAULT_RETRY_SCHEDULE_S,
    DEFAULT_TIMEOUT_S,
    REFUSED_HEADERS,
    STATE_CHANGES,
    StateReason,
    SubscriptionState,
    problems,
    state_problems,
)

DAY_S = 86_400
WHOLE = "must be a whole number between {} and {}"


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("patterns", [["*"], ["order.*", "invoice.paid"], ("a",), [f"t{n}" for n in range(100)]]),
        (
            "headers",
            [{}, {"X-Key": "v"}, {"x-empty": ""}, {"X-Name": "Grüße aus ÿ"}, {"Accept": "a, b;q=0.5"}],
        ),
        (
            "channels",
            [[], ["a"], ["eu:west.1_x-Y"], ["c" * 64], [f"c{n}" for n in range(16)], frozenset({"a"})],
        ),
        ("rate_limit", [None, 0.1, 1, 2.5, 10_000]),
        ("rate_burst", [None, 1, 10_000]),
        ("parallelism", [1, 64, 256]),
        ("timeout_s", [1, DEFAULT_TIMEOUT_S, 60]),
        ("max_age_s", [60, DEFAULT_MAX_AGE_S, 14 * DAY_S]),
        ("retry_schedule", [None, [], [1], [7 * DAY_S] * 20, [60, 5, 60], DEFAULT_RETRY_SCHEDULE_S]),
        ("ordering", ["none", "subject"]),
        ("state", ["active", "paused", "disabled", SubscriptionState.paused]),
        ("overlap_s", [0, 3_600, 7 * DAY_S]),
        ("url", ["whatever: another module's"]),
    ],
)
def test_good_values_have_no_problems(field: str, good: list[object]) -> None:
    for value in good:
        assert problems({field: value}) == []


@pytest.mark.parametrize(
    ("field", "bad", "message"),
    [
        ("parallelism", [0, 257, -1, 1.5, "8", True, None], WHOLE.format(1, 256)),
        ("timeout_s", [0, 61, 1.0, False], WHOLE.format(1, 60)),
        ("max_age_s", [59, 14 * DAY_S + 1, "60"], WHOLE.format(60, 14 * DAY_S)),
        ("overlap_s", [-1, 7 * DAY_S + 1], WHOLE.format(0, 7 * DAY_S)),
        ("rate_burst", [0, 10_001, 2.5], WHOLE.format(1, 10_000)),
        (
            "rate_limit",
            [0, 0.09, 10_000.1, -1, True, "5", float("nan"), float("inf"), 10**400],
            "must be a number between 0.1 and 10000 a second, or null for no limit",
        ),
        ("ordering", ["", "Subject", None, []], "must be none or subject"),
        ("state", ["deleted", None, 1, {}], "must be active, paused or disabled"),
        (
            "patterns",
            [[], None, "order.*", ["a"] * 101, {"a": 1}],
            "must be a list of 1 to 100 patterns, such as order.created, order.* or *",
        ),
        ("patterns", [["ok", ""]], "the pattern is empty; write something like order.created"),
        ("channels", ["a", None, ["c"] * 17], "must be a list of at most 16 channels"),
        ("channels", [["a", "b c"]], "'b c' is no channel; use 1 to 64 letters, digits, _ . : or -"),
        ("channels", [["a\n"]], "'a\\n' is no channel; use 1 to 64 letters, digits, _ . : or -"),
        ("channels", [[7]], "7 is no channel; use 1 to 64 letters, digits, _ . : or -"),
        (
            "retry_schedule",
            [5, "5", [1] * 21, {}],
            "must be a list of at most 20 waits in seconds; an empty one means no retries",
        ),
        ("retry_schedule", [[5, 0]], "step 2 must be a whole number between 1 and 604800"),
        ("retry_schedule", [[7 * DAY_S + 1], [1.5], [None], [True]], "step 1 " + WHOLE.format(1, 604_800)),
        ("headers", [None, "X: y", ["X"]], "must be an object of header names and values"),
        ("headers", [{f"X-{n}": "" for n in range(33)}], "has 33 headers; at most 32 are allowed"),
        ("headers", [{"X": "v" * 4_096}], "has 4097 bytes of names and values; at most 4096 are allowed"),
        ("headers", [{"": "v"}], "'' is no header name; use 1 to 100 letters, digits and -"),
        ("headers", [{"X Y": "v"}], "'X Y' is no header name; use 1 to 100 letters, digits and -"),
        ("headers", [{"X:": "v"}], "'X:' is no header name; use 1 to 100 letters, digits and -"),
        ("headers", [{"X\r\n": "v"}], "'X\\r\\n' is no header name; use 1 to 100 letters, digits and -"),
        ("headers", [{"Ü": "v"}], "'Ü' is no header name; use 1 to 100 letters, digits and -"),
        ("headers", [{7: "v"}], "7 is no header name; use 1 to 100 letters, digits and -"),
        (
            "headers",
            [{"X-a": "1", "x-A": "2"}],
            "x-A is there twice; names differ in more than upper and lower case",
        ),
        (
            "headers",
            [
                {"X": value}
                for value in (
                    None,
                    7,
                    "a\r\nHost: b",
                    "a\nb",
                    "\x00",
                    "\t",
                    "\x7f",
                    "\x85",
                    "€",
                    " a",
                    "a ",
                    "a\xa0",
                )
            ],
            "X has a value that no header can carry; use printable Latin-1 without outer spaces",
        ),
        ("headers", [{"Webhook-Id": "v"}], "Webhook-Id cannot be set: the hub sets it itself"),
        ("headers", [{"trunkline-run": "v"}], "trunkline-run cannot be set: the hub sets it itself"),
    ],
)
def test_a_bad_value_is_told_what_to_change(field: str, bad: list[object], message: str) -> None:
    for value in bad:
        assert problems({field: value}) == [(field, message)]


@pytest.mark.parametrize("name", sorted(REFUSED_HEADERS))
def test_a_header_of_the_hubs_is_refused_in_any_case_with_the_reason(name: str) -> None:
    for spelt in (name, name.upper(), name.title()):
        expected = ("headers", f"{spelt} cannot be set: {REFUSED_HEADERS[name]}")
        assert problems({"headers": {spelt: "v"}}) == [expected]


def test_the_headers_that_must_be_refused_are() -> None:
    assert set(REFUSED_HEADERS) >= {
        *("host", "content-length", "transfer-encoding", "connection", "content-type", "authorization"),
        *(
            "keep-alive",
            "te",
            "trailer",
            "upgrade",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
        ),
    }


def test_a_secret_in_a_bad_header_value_is_not_repeated() -> None:
    ((_, message),) = problems({"headers": {"X-Key": "hunter2\n"}})
    assert "hunter2" not in message


def test_every_problem_of_every_field_is_told_at_once() -> None:
    found = problems(
        {"timeout_s": 0, "headers": {"Host": "a", "X Y": "b"}, "ordering": "none", "channels": ["", "é"]}
    )
    assert [field for field, _ in found] == ["timeout_s", "headers", "headers", "channels", "channels"]


@pytest.mark.parametrize(("old", "new"), list(product(SubscriptionState, repeat=2)))
@pytest.mark.parametrize("reason", StateReason)
def test_a_state_follows_another_for_the_reasons_in_the_table(
    old: SubscriptionState, new: SubscriptionState, reason: StateReason
) -> None:
    allowed = old is new or reason in STATE_CHANGES[old, new]
    assert (state_problems(old=old, new=new, reason=reason) == []) is allowed


def test_a_person_may_make_every_change_and_the_hub_only_stop_things() -> None:
    assert all(StateReason.asked in reasons for reasons in STATE_CHANGES.values())
    assert {new for (_, new), reasons in STATE_CHANGES.items() if StateReason.gone in reasons} == {"disabled"}
    assert {new for (_, new), reasons in STATE_CHANGES.items() if StateReason.failing in reasons} == {
        "disabled"
    }
    assert {new for (_, new), reasons in STATE_CHANGES.items() if StateReason.kill_switch in reasons} == {
        "paused"
    }


def test_a_refused_change_says_for_which_reasons_it_could_happen() -> None:
    assert state_problems(
        old=SubscriptionState.disabled, new=SubscriptionState.active, reason=StateReason.gone
    ) == [("state", "cannot go from disabled to active because of gone; possible reasons: asked")]
