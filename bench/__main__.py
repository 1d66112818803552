"""`python -m bench`: runs the measures and writes what they found."""

import argparse
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from time import monotonic

from bench import machine, report
from bench.figures import Figure
from bench.installations import Stack
from bench.measures import MEASURES, Entry
from bench.run import Bench
from bench.speed import Speedometer

_QUICK = 0.05


def main() -> int:
    """Run what is asked for; return the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    arguments = _arguments()
    if arguments.list:
        for entry in MEASURES:
            print(f"{entry.name:14} {', '.join(entry.numbers):28} {entry.what}")
        return 0
    if arguments.table:
        if arguments.merge:
            report.merge(arguments.table, arguments.merge)
        _write_readme(arguments.table)
        return 0
    chosen = _chosen(arguments.only)
    bench = Bench(
        scale=_QUICK if arguments.quick else arguments.scale,
        rounds=1 if arguments.quick else arguments.rounds,
        stacks=[Stack.SMALL] if arguments.sqlite_only else list(Stack),
    )
    path = _run(bench, chosen, output=arguments.output)
    is_whole = len(chosen) == len(MEASURES) and not arguments.quick and not arguments.output
    if is_whole:
        _write_readme(path)
    return 0


def _stop(*_: object) -> None:
    """End like Ctrl-C ends: everything that was started is stopped on the way out; a second signal ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--list", action="store_true", help="tell what can be measured")
    parser.add_argument("--only", default="", metavar="T1,relay", help="measures by number or name")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke test: figures are there, and mean nothing"
    )
    parser.add_argument("--sqlite-only", action="store_true", help="leave PostgreSQL and Kafka out")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="of all time spans and counts")
    parser.add_argument("--output", type=Path, help="where the JSON goes; the README is then left alone")
    parser.add_argument(
        "--table", type=Path, metavar="JSON", help="only write the README's table from a result"
    )
    parser.add_argument(
        "--merge", type=Path, metavar="JSON", help="put a partial run's figures into the --table result first"
    )
    return parser.parse_args()


def _chosen(only: str) -> list[Entry]:
    wanted = {each.strip() for each in only.split(",") if each.strip()}
    chosen = [entry for entry in MEASURES if not wanted or wanted & {entry.name, *entry.numbers}]
    if not chosen:
        sys.exit(f"nothing measures {only}; see --list")
    return chosen


def _run(bench: Bench, chosen: list[Entry], *, output: Path | None) -> Path:
    began, began_at = monotonic(), datetime.now(UTC)
    about = {
        "began_at": began_at.isoformat(timespec="minutes"),
        "command": machine.command_line(),
        "rounds": bench.rounds,
        "scale": bench.scale,
        "is_smoke_test": bench.scale <= _QUICK,
        **machine.describe(),
        "load_average_before": machine.load_average(),
    }
    figures: list[Figure] = []
    is_whole = len(chosen) == len(MEASURES)
    path = output or report.RESULTS / f"{began_at:%Y-%m-%d}{'' if is_whole else '-part'}.json"
    speedometer = Speedometer(bench)
    try:
        speedometer.start()
        left = [entry.name for entry in MEASURES]
        for entry in chosen:
            found = speedometer.stamp(_measured(bench, entry))
            left = [name for name in left if name != entry.name or not found]
            figures += found
            about |= {"minutes": (monotonic() - began) / 60, "notes": bench.notes, "left_out": left}
            # After each measure: half an hour that is cut short has not been for nothing.
            if output or bench.scale > _QUICK:
                report.save(path, figures, about=about)
    finally:
        bench.servers.close()
        rmtree(bench.folder, ignore_errors=True)
    print(report.chapter(figures, about=about))
    return path


def _measured(bench: Bench, entry: Entry) -> list[Figure]:
    print(f"{datetime.now(UTC):%H:%M:%S} {entry.name}: {entry.what}", file=sys.stderr, flush=True)
    try:
        return list(entry.measure(bench))
    except Exception as error:
        bench.notes.append(f"{entry.name}: {type(error).__name__}: {str(error)[-500:]}")
        print(f"  failed: {bench.notes[-1]}", file=sys.stderr, flush=True)
        if bench.scale <= _QUICK:
            raise
        return []


def _write_readme(results: Path) -> None:
    figures, about = report.read(results)
    written = report.chapter(figures, about=about)
    text = report.README.read_text(encoding="utf-8")
    report.README.write_text(report.with_chapter(text, written), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
