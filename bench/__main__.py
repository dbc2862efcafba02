"""`python -m bench`: measures a hub of its own and prints a table; a whole run also writes bench/latest.json.

A run in which anything was lost, stuck or doubled fails, and the command ends with 1; an unmet target does not.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import figures, floors, machine
from bench.figures import Result
from bench.hub import Hub
from bench.processes import ROOT, BenchFailed
from bench.receiving import Receiver
from bench.registry import MEASUREMENTS, Measurement
from bench.stage import Stage
from hub.ops.receiver.certificates import Authority

LATEST = ROOT / "bench" / "latest.json"
PARTIAL = ROOT / ".local" / "bench-partial.json"
PAPERS = ROOT / ".local" / "bench-tls"


class Bench:
    """Everything that is started hangs on one stack, which ends it in reverse whatever happens."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options = options
        PAPERS.mkdir(parents=True, exist_ok=True)
        stack.callback(shutil.rmtree, PAPERS, ignore_errors=True)
        self.authority = Authority(PAPERS, now=datetime.now(UTC))
        stack.callback(self.end_hub)
        self.receiver = Receiver()
        stack.callback(self.receiver.stop)
        self.secure = Receiver(authority=self.authority)
        stack.callback(self.secure.stop)
        self.hub: Hub | None = None
        self.complaints: list[str] = []

    def end_hub(self) -> None:
        hub, self.hub = getattr(self, "hub", None), None
        if hub is not None:
            self.complaints += hub.complaints()
            hub.stop()

    def fresh_hub(self, **settings: str) -> Hub:
        self.end_hub()
        self.hub = Hub(ca_file=self.authority.ca_pem, **settings)
        self.hub.wait_until_quiet()
        return self.hub

    def floors(self) -> dict[str, float]:
        hub = self.hub or self.fresh_hub()
        o = self.options
        ca = str(self.authority.ca_pem)
        return floors.measure(hub, self.receiver, self.secure, ca_file=ca, runs=o.runs, short=o.short)

    def measure(self, measurement: Measurement) -> list[Result]:
        results = {row.name: Result(row) for row in measurement.rows}
        for run in range(self.options.runs):
            # Rows start from a fresh hub; a quick look may leave the tables of the last row where they do not matter.
            first = not run and not self.options.short
            try:
                fresh = self.hub is None or first or measurement.fresh
                hub = self.fresh_hub() if fresh else self.hub
                assert hub is not None
                stage = Stage(hub, self.receiver, self.secure, self.options.short, self.fresh_hub)
                stage.begin()
                found = measurement.measure(stage)
            except Exception as error:
                # One row's fault must not cost the others their hour.
                if not isinstance(error, BenchFailed):
                    traceback.print_exc()
                for result in results.values():
                    result.failure = str(error) if isinstance(error, BenchFailed) else repr(error)
                # What is left behind would spoil the next row.
                self.end_hub()
                break
            for figure in found:
                results[figure.name].runs.append(figure.value)
                results[figure.name].notes.append(figure.note)
        return list(results.values())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=0, help="of each row, the value is their median (default 3)"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a row or its function; again for more"
    )
    parser.add_argument("--short", action="store_true", help="each row once, seconds instead of minutes")
    parser.add_argument("--output", type=Path, help="where the JSON goes; a whole run: bench/latest.json")
    parser.add_argument("--list", action="store_true", help="the rows, and nothing else")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.short else 3)
    chosen = [m for m in MEASUREMENTS if m.named(frozenset(options.only))]
    if options.list or not chosen:
        for measurement in MEASUREMENTS:
            print(f"{measurement.measure.__name__:18} {', '.join(row.name for row in measurement.rows)}")
        return 0 if options.list else 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts what goes into the background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    whole = not options.only and not options.short
    output = options.output or (LATEST if whole else PARTIAL)
    begun, commit = time.monotonic(), machine.commit()
    results: list[Result] = []
    with ExitStack() as stack:
        bench = Bench(options, stack)
        beneath = bench.floors()
        about = machine.describe(bench.hub.sql("show server_version")[0][0] if bench.hub else "")
        _say(", ".join(f"{name} {figures.rounded(value):,.0f}/s" for name, value in beneath.items()))
        for measurement in chosen:
            at = time.monotonic()
            found = bench.measure(measurement)
            results += found
            for result in found:
                row: dict[str, Any] = result.as_json(beneath)
                _say(
                    f"{row['name']} {row['value']} {row['unit']} (ratio {row['ratio']}, {time.monotonic() - at:.0f} s): {row['note']}"
                )
    rows = [result.as_json(beneath) for result in results]
    report = {
        "commit": commit,
        "machine": about,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "short": bool(options.short),
        "runs": options.runs,
        "rows": rows,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print(figures.table(rows))
    failed = [result for result in results if result.failure]
    met = sum(1 for result in results if result.met)
    print(f"{met} of {len(rows)} met, {time.monotonic() - begun:.0f} s, {commit}, in {output}")
    for line in bench.complaints[:20]:
        print(f"the hub complained: {line[:400]}", file=sys.stderr)
    for result in failed:
        print(f"{result.row.name} failed: {result.failure}", file=sys.stderr)
    return 1 if failed else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BenchFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
