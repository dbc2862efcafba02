"""A short database session of an operator's tool, apart from Django's pool, with every statement bounded in
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from hub.eventlog.connect import parameters

STATEMENT_S = 2


@contextmanager
def session(
    *,
    name: str,
    statement_s: float = STATEMENT_S,
    autocommit: bool = True,
    options: Mapping[str, str] | None = None,
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Connects at most 2 s, each statement takes at most `statement_s`. Raises psycopg.OperationalError."""
    bounded = {"statement_timeout": f"{int(statement_s * 1000)}ms", "jit": "off", **(options or {})}
    settings = parameters(name=name, options=bounded) | {"connect_timeout": 2, "autocommit": autocommit}
    with psycopg.connect(**settings) as connection:
        # A statement that was prepared by name is the first thing that fails behind a pooling proxy.
        connection.prepare_threshold = None
        yield connection
