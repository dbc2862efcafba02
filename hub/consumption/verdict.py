"""What a lease is still good for, and the sentence for when it is good for nothing. Pure; it reads no clock."""

from __future__ import annotations

from enum import StrEnum

from hub.core.problems import ProblemError, problem

_AGAIN = "nothing was moved, and its events are handed out again: read, and acknowledge what that gives"


class Verdict(StrEnum):
    """`good`: it is out. `done`: it was acknowledged whole."""

    good = "good"
    done = "done"
    released = "released"
    revoked = "revoked"
    expired = "expired"
    unknown = "unknown"


SENTENCES = {
    Verdict.released: f"This lease was released; {_AGAIN}.",
    Verdict.revoked: "This lease was revoked, since the position was moved; nothing was moved by this. Read on from there.",
    Verdict.expired: f"This lease has expired; {_AGAIN}. Ask for a longer one, or extend it in time.",
    Verdict.unknown: "This position knows no such lease: it ended more than an hour ago, or was never given."
    " Nothing was moved; read again.",
}


def judge(*, known: bool, ended: str | None, late: bool) -> Verdict:
    """`ended`: as what it ended, None while it has not; `late`: its time is over."""
    if not known:
        return Verdict.unknown
    if ended is not None:
        return Verdict.done if ended == "acked" else Verdict(ended)
    return Verdict.expired if late else Verdict.good


def refusal(verdict: Verdict) -> ProblemError:
    """409, and what to do."""
    return ProblemError(problem("conflict", SENTENCES[verdict]))
