"""The rule of each key's values, and every other way of writing one. It never looks up whether there is such a thing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, TypeVar

from hub.core import ids
from hub.core.jsonbytes import BadJson, loads
from hub.core.problems import closest
from hub.delivery.outcome import Reason
from hub.delivery.states import OPEN, State
from hub.insights.search_terms import DURATIONS, ID_SHAPE, SIGNS, Moment, Op, Value
from hub.insights.search_words import Piece
from hub.subscriptions.patterns import BadPattern, validate_pattern

STATUS_ALIASES: Final[dict[str, tuple[State, ...]]] = {
    "failed": (State.dead, State.retrying),
    "open": tuple(state for state in State if state in OPEN),
    "handed-over": (State.handed_over,),
}
CODE_ALIASES: Final[dict[str, tuple[Reason, ...]]] = {
    "timeout": (Reason.connect_timeout, Reason.read_timeout),
    "connect": (Reason.connect_refused, Reason.connect_timeout, Reason.connect_failed),
    "tls": (Reason.tls_expired, Reason.tls_name, Reason.tls_untrusted, Reason.tls_failed),
}
MOST_ATTEMPTS: Final = 1_000_000
LONGEST_US: Final = 86_400_000_000

_T = TypeVar("_T")
_STATES: Final[Mapping[str, tuple[State, ...]]] = {**{state: (state,) for state in State}, **STATUS_ALIASES}
_CODES: Final[Mapping[str, tuple[Reason, ...]]] = {**{r.code: (r,) for r in Reason}, **CODE_ALIASES}
_CLASS = re.compile(r"[1-5]xx")
_DURATION = re.compile(r"([0-9]{1,11}(?:\.[0-9]{1,6})?)(us|µs|μs|ms|s|m|)")
_AGO = re.compile(r"([1-9][0-9]{0,4})([smhdw])")
_AGO_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOMENT = re.compile(
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_CONSUMER = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")


def moment(piece: Piece, *, key: str, now: datetime) -> Moment:
    """A day, RFC 3339 to the minute or finer, or how long before `now`."""
    text = _plain(piece, key=key)
    try:
        if ago := _AGO.fullmatch(text):
            return Moment((now - timedelta(**{_AGO_UNITS[ago[2]]: int(ago[1])})).astimezone(UTC), text)
        if absolute := _MOMENT.fullmatch(text.upper()):
            at = datetime.fromisoformat(absolute[0])
            return Moment(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        pass
    raise piece.refuse(
        f"{text!r} is no moment for {key}; write a day, RFC 3339 with an offset such as 2026-01-31T12:00Z,"
        " or how long ago: 90s, 30m, 24h, 7d, 2w"
    )


def identifier(piece: Piece) -> tuple[Value, ...]:
    text = _plain(piece, key="id")
    prefix = text.partition("_")[0]
    try:
        if prefix == "dlv":
            ids.parse_delivery_id(text)
        elif prefix == "msg":
            ids.parse_message_id(text)
        elif prefix in ("evt", "sub", "con"):
            ids.decode(prefix, text)
        else:
            raise piece.refuse(f"{text!r} is no id; they begin with evt_, dlv_, sub_, con_ or msg_")
    except ids.BadId as error:
        raise piece.refuse(str(error)) from None
    return (Value(Op.eq, text),)


def _plain(piece: Piece, *, key: str, star: bool = False) -> str:
    """The text of a value that takes no sign, nor a star unless so said."""
    if piece.sign:
        raise piece.refuse(f"{key} takes no {piece.sign}; only attempt, code, latency and body do")
    if piece.star and not star:
        raise piece.refuse(f"{key} takes no *; write whole values, with commas between")
    return piece.text


def _known(piece: Piece, table: Mapping[str, tuple[_T, ...]], *, key: str, what: str) -> tuple[_T, ...]:
    text = _plain(piece, key=key).lower()
    if text in table:
        return table[text]
    guess = closest(text, table)
    known = "" if guess else f"; use one of {', '.join(table)}"
    raise piece.refuse(f"{piece.text!r} is no {what}{known}", suggestion=guess)


def _status(piece: Piece) -> tuple[Value, ...]:
    found = _known(piece, _STATES, key="status", what="status of a delivery")
    return tuple(Value(Op.eq, state) for state in found)


def _type(piece: Piece) -> tuple[Value, ...]:
    text = _plain(piece, key="type", star=True) + "*" * piece.star
    try:
        return (Value(Op.glob if "*" in text else Op.eq, validate_pattern(text)),)
    except BadPattern as error:
        raise piece.refuse(str(error)) from None


def _subscription(piece: Piece) -> tuple[Value, ...]:
    if ID_SHAPE.fullmatch(piece.text):
        return identifier(piece)
    return (Value(Op.eq, _plain(piece, key="sub")),)


def _consumer(piece: Piece) -> tuple[Value, ...]:
    text = _plain(piece, key="consumer", star=True)
    if text and not _CONSUMER.fullmatch(text):
        raise piece.refuse("a consumer is named by 1 to 128 of A-Z a-z 0-9 _ . : @ -, or by its id")
    return identifier(piece) if ID_SHAPE.fullmatch(text) and not piece.star else _text(piece, key="consumer")


def _text(piece: Piece, *, key: str) -> tuple[Value, ...]:
    text = _plain(piece, key=key, star=True)
    if piece.star:
        return (Value(Op.prefix, text) if text or piece.quoted else Value(Op.exists, ""),)
    return (Value(Op.eq, text),)


def _body(piece: Piece) -> tuple[Value, ...]:
    if not piece.sign:
        return _text(piece, key="body")
    try:
        if _NUMBER.fullmatch(piece.text) and not piece.star:
            loads(piece.text.encode())
            return (Value(SIGNS[piece.sign], piece.text),)
    except BadJson:
        pass
    raise piece.refuse(f"after {piece.sign} stands a number; put the value in quotes if it is a text")


def _code(piece: Piece) -> tuple[Value, ...]:
    text = piece.text.lower()
    if _CLASS.fullmatch(text):
        least = int(_plain(piece, key="a class of statuses")[0]) * 100
        return (Value(Op.between, least, least + 99),)
    if text[:1].isdigit() or piece.sign:
        return (_compared(piece, _http_status, key="code"),)
    found = _known(piece, _CODES, key="code", what="reason")
    return tuple(Value(Op.eq, reason) for reason in found)


def _attempt(piece: Piece) -> tuple[Value, ...]:
    return (_compared(piece, _attempt_number, key="attempt"),)


def _latency(piece: Piece) -> tuple[Value, ...]:
    value = _compared(piece, _microseconds, key="latency")
    if value.op is Op.eq:
        raise piece.refuse("hardly anything takes exactly so long; write >800ms, <=2s or 500ms..2s")
    return (value,)


def _compared(piece: Piece, read: Callable[[Piece, str], int], *, key: str) -> Value:
    if piece.star:
        raise piece.refuse(f"{key} takes no *; write > or a range such as 2..5")
    if piece.sign:
        return Value(SIGNS[piece.sign], read(piece, piece.text))
    first, dots, last = piece.text.partition("..")
    if not dots:
        return Value(Op.eq, read(piece, first))
    least, most = read(piece, first), read(piece, last)
    if least > most:
        raise piece.refuse(f"the range {piece.text} is empty; write {last}..{first}")
    return Value(Op.between, least, most)


def _http_status(piece: Piece, text: str) -> int:
    if re.fullmatch(r"[1-5][0-9]{2}", text):
        return int(text)
    raise piece.refuse(f"{text!r} is no status; write 100 to 599, a class such as 5xx, or a reason")


def _attempt_number(piece: Piece, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,7}", text) and int(text) <= MOST_ATTEMPTS:
        return int(text)
    raise piece.refuse(f"{text!r} is no number of an attempt; write 3, >3, <=3 or 2..5")


def _microseconds(piece: Piece, text: str) -> int:
    found = _DURATION.fullmatch(text.lower())
    if not found:
        raise piece.refuse(f"{text!r} is no duration; write 800ms, 1.5s, 2m or 300us")
    unit = found[2] or "ms"
    us = round(Fraction(found[1]) * DURATIONS[unit if unit in DURATIONS else "us"])
    if us > LONGEST_US:
        raise piece.refuse(f"{text} is too long; nothing takes more than a day")
    return us


RULES: Final[Mapping[str, Callable[[Piece], tuple[Value, ...]]]] = {
    "status": _status,
    "type": _type,
    "sub": _subscription,
    "consumer": _consumer,
    "code": _code,
    "attempt": _attempt,
    "latency": _latency,
    "subject": lambda piece: _text(piece, key="subject"),
    "body": _body,
    "header": lambda piece: _text(piece, key="header"),
    "id": identifier,
}
"""What a value of each key becomes: one, or several for an alias; BadSearch if it is none. Times: `moment`."""
