"""Runs as a whole: numbers for new ones, and the end of one that is cancelled. Owners do it, by commands."""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

MOST: Final = 5_000
_NEXT: Final = "SELECT nextval(pg_get_serial_sequence('command', 'id'))"
# What was refused a moment ago, since an attempt was under way, is asked for again a little later.
_CANCEL: Final = """
INSERT INTO command (env, shard, sub, kind, seq, src, day, run, actor)
SELECT %(env)s, d.shard, d.sub, 'cancel', d.seq, d.src, d.day, d.run, %(actor)s FROM due d
WHERE d.run = %(run)s AND NOT EXISTS (
  SELECT FROM command c WHERE c.sub = d.sub AND c.seq = d.seq AND c.run = d.run AND c.kind = 'cancel'
  AND (c.applied_at IS NULL OR c.at > now() - interval '0.5 s'))
LIMIT %(most)s"""
_LEFT: Final = "SELECT count(*) FROM (SELECT FROM due WHERE run = %s LIMIT %s) d"


def next_run() -> int:
    """A number that no other run has: commands and replays are numbered together."""
    with connection.cursor() as cursor:
        cursor.execute(_NEXT)
        return int(cursor.fetchone()[0])


def cancel_run(*, environment: int, run: int, actor: str) -> int:
    """Ask for the end of all that waits under a run; how many deliveries still do, counted up to MOST."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CANCEL, {"env": environment, "run": run, "actor": actor, "most": MOST})
        if cursor.rowcount:
            cursor.execute("SELECT pg_notify('hub_commands', '')")
        cursor.execute(_LEFT, [run, MOST])
        return int(cursor.fetchone()[0])
