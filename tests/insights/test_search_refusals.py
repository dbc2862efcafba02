"""What is no search is refused with a sentence that says what to change, and underlined where it stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.core import ids
from hub.insights.search import parse
from hub.insights.search_words import MAX_LENGTH, MAX_WORDS, BadSearch

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
EVENT = ids.encode("evt", b"\x01" * 16)


def refusal(text: str) -> BadSearch:
    with pytest.raises(BadSearch) as refused:
        parse(text, now=NOW)
    return refused.value


@pytest.mark.parametrize(
    ("text", "underlined", "sentence", "suggestion"),
    [
        ("a staus:dead", "staus", "'staus' is no key to search by", "status"),
        ("-tipe:ping", "tipe", "'tipe' is no key to search by", "type"),
        ("bdy.a.b:1", "bdy.a.b", "'bdy' is no key to search by", "body"),
        ("subscripton:x", "subscripton", "'subscripton' is no key to search by", "subscription"),
        ("https://a", "https", "or put text with a colon in quotes", None),
        ("status.x:dead", "status.x", "status has no parts; only body and header take a dot", None),
        ("status:dead,retriyng", "retriyng", "'retriyng' is no status of a delivery", "retrying"),
        ("status:zzz", "zzz", "use one of waiting, retrying, held, delivered, dead", None),
        ("code:429|read-timout", "read-timout", "'read-timout' is no reason", "read-timeout"),
        ("code:timeot", "timeot", "'timeot' is no reason", "timeout"),
    ],
)
def test_an_unknown_word_comes_with_what_was_probably_meant(
    text: str, underlined: str, sentence: str, suggestion: str | None
) -> None:
    refused = refusal(text)
    assert text[refused.start : refused.end] == underlined
    assert sentence in str(refused)
    assert refused.suggestion == suggestion
    assert str(refused).endswith(f" Did you mean {suggestion}?") is (suggestion is not None)


@pytest.mark.parametrize(
    ("text", "underlined", "sentence"),
    [
        ('a "b c', '"b c', "the quote is not closed"),
        ('"b\\', '"b\\', "the quote is not closed"),
        ('a "b\\n"', "\\n", '\\n is no escape; between quotes write \\" and \\\\ only'),
        ('ab"c"', 'ab"', "a quote stands inside a word; put the whole word in quotes"),
        ('ab"c', '"c', "the quote is not closed"),
        ('subject:ab"c"', 'ab"', "a quote stands inside a word"),
        ('subject:"a"b', '"a"b', "after the closing quote may stand a space, or a comma and another value"),
        ('"a"b', '"a"b', "a space is missing after the closing quote"),
        ('""', '""', "nothing stands between the quotes"),
        ("a - b", "-", "nothing stands after the -"),
        ("status:", ":", "nothing stands after the :; write a value"),
        ("status:dead, held", ",", "nothing stands after the ,"),
        ("attempt:>", ">", "nothing stands after the >"),
        (":x", ":", "a key is missing before the colon"),
        ("a\x00b", "\x00", "U+0000 is no character to search for"),
        ('"\ud800"', "\ud800", "U+D800 is no character to search for"),
        ("status:>dead", ">dead", "status takes no >; only attempt, code, latency and body do"),
        ("status:de*", "de*", "status takes no *; write whole values, with commas between"),
        ("sub:sub_*", "sub_*", "sub takes no *"),
        ("subject:<a", "<a", "subject takes no <"),
        ("header.x:>1", ">1", "header takes no >"),
        ("type:a*", "a*", "'a*' has a * where none may stand"),
        ("type:a..b", "a..b", "'a..b' has an empty segment"),
        ("type:>a", ">a", "type takes no >"),
        ("consumer:a/b", "a/b", "a consumer is named by 1 to 128 of A-Z a-z 0-9 _ . : @ -, or by its id"),
        ("consumer:con_0041061050r3gg28a1c60t3g", "con_0041061050r3gg28a1c60t3g", "copy it whole"),
        ("sub:sub_0041061050r3gg28a1c60t3g", "sub_0041061050r3gg28a1c60t3g", "copy it whole"),
        (f"a {EVENT[:-1]}", EVENT[:-1], "copy it whole"),
        (EVENT + "_1", EVENT + "_1", "copy it whole"),
        ("id:acme", "acme", "'acme' is no id; they begin with evt_, dlv_, sub_, con_ or msg_"),
        ("id:dlv_x", "dlv_x", "copy it whole"),
        ("code:600", "600", "'600' is no status; write 100 to 599, a class such as 5xx, or a reason"),
        ("code:6xx", "6xx", "'6xx' is no status"),
        ("code:>timeout", ">timeout", "'timeout' is no status"),
        ("code:>5xx", ">5xx", "a class of statuses takes no >"),
        ("code:50*", "50*", "code takes no *"),
        ("attempt:x", "x", "'x' is no number of an attempt; write 3, >3, <=3 or 2..5"),
        ("attempt:-1", "-1", "'-1' is no number of an attempt"),
        ("attempt:1000001", "1000001", "is no number of an attempt"),
        ("attempt:\u0663", "\u0663", "is no number of an attempt"),
        ("attempt:1,5..2", "5..2", "the range 5..2 is empty; write 2..5"),
        ("attempt:2..", "2..", "'' is no number of an attempt"),
        ("latency:>fast", ">fast", "'fast' is no duration; write 800ms, 1.5s, 2m or 300us"),
        ("latency:>1h", ">1h", "'1h' is no duration"),
        ("latency:>1.s", ">1.s", "'1.s' is no duration"),
        ("latency:>1441m", ">1441m", "1441m is too long; nothing takes more than a day"),
        ("latency:800ms", "800ms", "hardly anything takes exactly so long; write >800ms, <=2s or 500ms..2s"),
        ("since:yesterday", "yesterday", "'yesterday' is no moment for since; write a day, RFC 3339"),
        ("since:2026-11-23T10:00", "2026-11-23T10:00", "RFC 3339 with an offset such as 2026-01-31T12:00Z"),
        ("since:2026-02-30", "2026-02-30", "is no moment"),
        ("since:0h", "0h", "is no moment"),
        ("since:>24h", ">24h", "since takes no >"),
        ("since:24h,7d", "7d", "since takes one moment only"),
        ("-since:24h", "since", "since can't be negated; use before"),
        ("-before:24h", "before", "before can't be negated; use since"),
        ("since:24h a since:24h", "since", "since stands here twice; leave one"),
        ("before:1h until:2h", "until", "before stands here twice; leave one"),
        ("body:1", "body", "body needs a path such as body.items.0.sku"),
        ("body.:1", "body.", "body needs a path"),
        ("body.a..b:1", "body.a..b", "body needs a path"),
        ('body."a"b:1', 'body."a"b', "body needs a path"),
        ('body."a:1', '"a:1', "the quote is not closed"),
        ("header:x", "header", "header needs the name of one, such as header.x-request-id"),
        ('header."x":y', 'header."x"', "header needs the name of one"),
        ("body.a:>b", ">b", "after > stands a number; put the value in quotes if it is a text"),
        ("body.a:>1*", ">1*", "after > stands a number"),
        ("body.a:<1e999", "<1e999", "after < stands a number"),
        ("a" * (MAX_LENGTH + 1), "a", "the search has 1001 characters; at most 1000 are allowed"),
        ("a " * 32, "a a", "the search has 32 terms; at most 30 are allowed"),
    ],
)
def test_what_is_malformed_is_underlined(text: str, underlined: str, sentence: str) -> None:
    refused = refusal(text)
    assert text[refused.start : refused.end] == underlined
    assert sentence in str(refused)
    assert refused.suggestion is None


def test_the_second_of_two_is_underlined() -> None:
    assert refusal("since:24h a since:7d").start == 12
    assert refusal("a " * MAX_WORDS + "b").start == 2 * MAX_WORDS


def test_a_moment_before_all_time_is_refused() -> None:
    with pytest.raises(BadSearch, match="is no moment"):
        parse("since:99999w", now=datetime(1800, 1, 1, tzinfo=UTC))
