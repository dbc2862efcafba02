"""Cells as rows: folded groups are merged into what is kept, and written whole. Whoever owns a cell's shard may use it, and nobody else.

It never adds in the database: a row holds exactly what its owner has in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hub.eventlog import arrays
from hub.insights import histogram
from hub.insights.cells import Cell, Key, Shape, keys
from hub.insights.folds import Group
from hub.reactors.reactor import Session

MOST_KEPT: Final = 30_000
_KEY: Final = ("env", "kind", "ref", "grain", "at", "shard")
_TYPES: Final = ("int4", "int2", "text", "int2", "timestamptz", "int2")
_UNNEST: Final = ", ".join(f"%({name})b::{kind}[]" for name, kind in zip(_KEY, _TYPES, strict=True))


def _load(shape: Shape) -> str:
    return f"""
select t.env, t.kind, t.ref, t.grain, extract(epoch from t.at)::int8, t.shard, {", ".join(f"t.{c}" for c in shape.columns)}
from unnest({_UNNEST}) u({", ".join(_KEY)})
cross join lateral (select * from {shape.table} x where x.env = u.env and x.kind = u.kind and x.ref = u.ref
  and x.grain = u.grain and x.at = u.at and x.shard = u.shard) t"""


def _store(shape: Shape) -> str:
    numbers = shape.sums + shape.most
    values = ", ".join([f"%({c})b::int8[]" for c in numbers] + [f"%({c})b::bytea[]" for c in shape.maps])
    names = ", ".join((*_KEY, *shape.columns))
    return f"""
insert into {shape.table} ({names}) select * from unnest({_UNNEST}, {values})
on conflict (env, kind, ref, grain, at, shard) do update set {", ".join(f"{c} = excluded.{c}" for c in shape.columns)}"""


class Keeper:
    """The cells of one table that were written lately, as they stand in their rows."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._cells: dict[Key, Cell] = {}
        self._load, self._store = _load(shape), _store(shape)

    def forget(self) -> None:
        self._cells.clear()

    async def write(self, session: Session, groups: Mapping[Group, Cell]) -> None:
        """Adds what was folded to the rows, inside the caller's transaction; if that fails, `forget`."""
        touched = {
            group: list(keys(env=group.env, shard=group.shard, minute=group.minute, refs=group.refs()))
            for group in groups
        }
        wanted = dict.fromkeys(key for some in touched.values() for key in some)
        missing = [key for key in wanted if key not in self._cells]
        if missing:
            if len(self._cells) > MOST_KEPT:
                self._cells = {key: self._cells[key] for key in wanted if key in self._cells}
            for key in missing:
                self._cells[key] = self.shape.cell()
            found = await session.execute(self._load, _columns(missing), prepare=True, binary=True)
            for row in await found.fetchall():
                self._cells[Key(*row[:6])] = self._cell(row[6:])
        for group, cell in groups.items():
            for key in touched[group]:
                self._cells[key].merge(cell)
        await session.execute(self._store, self._values(list(wanted)), prepare=True)

    def _cell(self, row: Sequence[Any]) -> Cell:
        sums, most = len(self.shape.sums), len(self.shape.most)
        maps = [histogram.decode(bytes(raw)) for raw in row[sums + most :]]
        return Cell(list(row[:sums]), list(row[sums : sums + most]), maps)

    def _values(self, wanted: list[Key]) -> dict[str, Any]:
        cells = [self._cells[key] for key in wanted]
        values = _columns(wanted)
        for index, name in enumerate(self.shape.sums):
            values[name] = arrays.int8([cell.sums[index] for cell in cells])
        for index, name in enumerate(self.shape.most):
            values[name] = arrays.int8([cell.most[index] for cell in cells])
        for index, name in enumerate(self.shape.maps):
            values[name] = arrays.bytea([histogram.encode(cell.maps[index]) for cell in cells])
        return values


def _columns(wanted: Sequence[Key]) -> dict[str, Any]:
    return {
        "env": arrays.int4([key.env for key in wanted]),
        "kind": arrays.int2([key.kind for key in wanted]),
        "ref": arrays.text([key.ref for key in wanted]),
        "grain": arrays.int2([key.grain for key in wanted]),
        "at": arrays.stamps([float(key.at) for key in wanted]),
        "shard": arrays.int2([key.shard for key in wanted]),
    }
