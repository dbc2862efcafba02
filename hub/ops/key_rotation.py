"""A change of sealing keys over every sealed column of the hub, and what is told of it. Never shows a secret or a key.

A package's sealed columns are found by its module `sealed`, as Django finds `admin`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from hub.core.sealing import Keyring
from hub.subscriptions.services.resealing import Census, Sealed, census, reseal


@dataclass(frozen=True, slots=True)
class Report:
    """`moved`: of each kind, how many were sealed anew, by old key. `after`: what is stored now."""

    current: str
    known: tuple[str, ...]
    dry: bool
    moved: dict[str, Counter[str]]
    after: Sequence[Census]

    @property
    def broken(self) -> list[tuple[str, str, str]]:
        """(kind, row, why) of what no key opens."""
        return [(found.kind, row, why) for found in self.after for row, why in found.broken]

    @property
    def older(self) -> int:
        """Values that open, but with another key than the first."""
        return sum(found.older for found in self.after)

    @property
    def failed(self) -> bool:
        """Something needs a person: it can't be opened, or is still sealed under another key after all."""
        return bool(self.broken or (self.older and not self.dry))

    def text(self) -> str:
        return "\n".join([*self._counts(), "", *self._sentences()])

    def _counts(self) -> Iterator[str]:
        yield f"{'kind':<20}{'key':<34}{'stored':>9}{'sealed anew':>13}"
        for found in self.after:
            moved = self.moved.get(found.kind, Counter())
            for key in sorted({*found.keys, *moved}, key=lambda key: (key != self.current, key)):
                yield f"{found.kind:<20}{key:<34}{found.keys[key]:>9}{moved[key]:>13}"

    def _sentences(self) -> Iterator[str]:
        for kind, row, why in self.broken:
            yield f"not opened: {kind} {row}: {why}"
        if self.broken:
            yield f"{len(self.broken)} values can't be opened by any key in SEALING_KEYS and stay as they are."
        moved = sum(counts.total() for counts in self.moved.values())
        if self.dry:
            yield f"{self.older} values would be sealed anew under {self.current!r}. Nothing was changed."
            return
        done = f"{moved} values were sealed anew under {self.current!r}."
        yield done if moved else "Nothing had to be changed."
        if self.older:
            yield (
                f"{self.older} values still need an older key: they were in use, or a process that was not"
                " started again seals with it. Run this again."
            )
        elif self.broken:
            yield "Keep the older keys until those values are mended or stored again."
        else:
            yield f"No row needs another key than {self.current!r}." + self._spare()

    def _spare(self) -> str:
        spare = [key for key in self.known if key != self.current]
        return f" May be taken out of SEALING_KEYS: {', '.join(spare)}." if spare else ""


def columns() -> list[Sealed]:
    """Every sealed column of the hub."""
    found: list[Sealed] = []
    for config in apps.get_app_configs():
        if config.name.startswith("hub.") and module_has_submodule(config.module, "sealed"):
            found.extend(import_module(f"{config.name}.sealed").SEALED)
    return found


def rotate(*, ring: Keyring, dry_run: bool) -> Report:
    """Seal everything anew under the first key, or only count."""
    there = columns()
    moved = {} if dry_run else {column.kind: reseal(column, ring=ring) for column in there}
    after = [census(column, ring=ring) for column in there]
    return Report(ring.current, tuple(ring.keys), dry_run, moved, after)
