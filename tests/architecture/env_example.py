"""Writes .env.example from the table in hub/env.py: `python -m tests.architecture.env_example`. It never reads the environment."""

from __future__ import annotations

import textwrap

from hub.env import VARIABLES, Variable
from tests.architecture.tree import ROOT

PATH = ROOT / ".env.example"
HEAD = """\
# Every environment variable of Trunkline with its default. Written from hub/env.py, so edit that and run
# `python -m tests.architecture.env_example`. Nothing reads this file by itself: copy it to .env, set what
# differs, and start with `set -a; . ./.env; set +a; make run`. A bad value ends the start with a sentence.
"""


def entry(variable: Variable) -> str:
    """Its help as a comment, then the variable, switched off; `secret` is said, since such a value belongs in no log."""
    told = f"{variable.help[:1].upper()}{variable.help[1:]}.{' Secret.' if variable.secret else ''}"
    lines = textwrap.wrap(told, width=100)
    return "".join(f"# {line}\n" for line in lines) + f"#{variable.name}={variable.default}\n"


def render() -> str:
    return "\n".join([HEAD, *map(entry, VARIABLES)])


if __name__ == "__main__":
    PATH.write_text(render())
