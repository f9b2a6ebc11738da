"""`make bench`: everything that has a benchmark, against a plain reference, as one table.

`python -m tests.benchmarks [NAME ...] [--json]`; the module `bench_<name>.py` measures a stage of
the pipeline, or a way to use what it made.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from tasks.jobs.stage_catalogue import StageName
from tests.benchmarks.interleaved import BenchRow

FOLDER = Path(__file__).parent
WIDTH = 140
_ORDER = get_args(StageName)
NAMES = sorted(
    (path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py")),
    key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name),
)


def main() -> None:
    """Runs the benchmarks named on the command line, or all; stages first, in their order."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no benchmark for {', '.join(unknown)}; there are {', '.join(NAMES)}")
    progress = Console(stderr=True)
    rows: list[BenchRow] = []
    for name in NAMES:
        if name in (options.names or NAMES):
            progress.print(f"measuring {name} ...", style="dim")
            rows += import_module(f"tests.benchmarks.bench_{name}").run()
    if options.json:
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        output = Console()
        output.width = output.width if output.is_terminal else WIDTH
        output.print(table_of(rows))


def table_of(rows: list[BenchRow]) -> Table:
    """Speeds in units per second, how many times faster we are, and peak memory of both sides."""
    table = Table(title="ours against a plain reference; ratios above 1 are faster")
    for name in ("stage", "work"):
        table.add_column(name)
    for name in ("ours /s", "reference /s", "ratio", "ours MB", "reference MB"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.stage,
            f"{row.what} ({row.unit})",
            f"{row.ours_per_s:,.0f}",
            f"{row.reference_per_s:,.0f}",
            f"{row.ratio:.2f}",
            f"{row.ours_peak_mb:,.0f}",
            f"{row.reference_peak_mb:,.0f}",
        )
    return table


if __name__ == "__main__":  # the sides' fresh processes import this module
    main()
