"""What services refuse with: problems, made in one line each.

They name the field and the remedy, never another's rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from hub.core.problems import ProblemError, problem


def invalid(errors: Iterable[tuple[str, str]]) -> ProblemError:
    """422 with (field, sentence) pairs; a field may be dotted ("limits.subscriptions")."""
    pairs = list(errors)
    return ProblemError(
        problem(
            "invalid",
            "; ".join(f"{name}: {detail}" if name else detail for name, detail in pairs[:3]),
            errors=[
                {"pointer": "/" + name.replace(".", "/") if name else "", "detail": detail}
                for name, detail in pairs
            ],
        )
    )


def not_found(what: str) -> ProblemError:
    """404: it is not there, or is another's; the answer is the same."""
    return ProblemError(problem("not-found", f"There is no such {what}."))


def conflict(detail: str) -> ProblemError:
    return ProblemError(problem("conflict", detail))


def forbidden(detail: str) -> ProblemError:
    return ProblemError(problem("forbidden", detail))


def check_version(*, expected: int | None, version: int) -> None:
    """412 unless the caller saw the present version (None = did not say)."""
    if expected is not None and expected != version:
        raise ProblemError(
            problem(
                "precondition-failed",
                f'It is at version "v{version}" by now. Read it again, then repeat the change.',
                headers={"ETag": f'"v{version}"'},
            )
        )
