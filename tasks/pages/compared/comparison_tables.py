"""The comparison's rows as tables of systems by base, in the paper's layout."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from pydantic import JsonValue

from memdec_core.scoring.result_row import TUNING_SPLIT
from memdec_core.scoring.system_name import SystemName, label_of, table_order
from tasks.pages.report_tables import Rows, bases_of, by_key, interval, readable

REPORTED = "test"
FORGETTING = ("memory", "dapt", "lora")
"""Systems of whom it is asked what they lose elsewhere: the memory, and what changes the base."""

BETA = "beta"
"""Metric of the row that holds the β of `memory`."""

KNOBS = {"alpha": "α", "lambda": "λ", "tau": "τ"}
Row = Mapping[str, JsonValue]
Table = Mapping[tuple[JsonValue, ...], Row]


def systems_by_base(rows: Rows, metric: str, split: str) -> Iterator[dict[str, str]]:
    """A metric on a split or another corpus: one line per system, one column per base."""
    table, columns = by_key(rows), {base: base for base in bases_of(rows)}
    return system_lines(
        rows, columns, lambda system, base: interval(table.get((system, base, split, metric)))
    )


def system_lines(
    rows: Rows, columns: Mapping[str, str], cell: Callable[[str, str], str]
) -> Iterator[dict[str, str]]:
    """One line per system that has any cell, one column per entry of `columns`.

    Args:
        rows: Where the systems are found.
        columns: Heads of the columns by what they are called in the rows.
        cell: System and column -> text, empty where there is nothing.
    """
    for system in systems_of(rows):
        cells = {head: cell(system, column) for column, head in columns.items()}
        if any(cells.values()):
            yield {"system": label_of(system)} | cells


def perplexities(rows: Rows) -> dict[str, dict[str, float]]:
    """The reported perplexity by base and system, in the order of the page."""
    split, table = reported_split(rows), by_key(rows)
    found: dict[str, dict[str, float]] = {}
    for base in bases_of(rows):
        for system in systems_of(rows):
            row = table.get((system, base, split, "perplexity"))
            if row is not None:
                found.setdefault(base, {})[label_of(system)] = number(row["value"])
    return found


def reported_split(rows: Rows) -> str:
    """The split that nothing was tuned on, where there is one."""
    tested = any(row["split"] == REPORTED and row["metric"] == "perplexity" for row in rows)
    return REPORTED if tested else TUNING_SPLIT


def corpora_elsewhere(rows: Rows) -> list[str]:
    """Corpora beside the domain, on which nothing was tuned."""
    measured = (row["split"] for row in rows if row["metric"] == "perplexity_ratio")
    return [str(name) for name in dict.fromkeys(measured) if name not in (TUNING_SPLIT, REPORTED)]


def systems_of(rows: Rows) -> list[str]:
    """The systems in the order of the paper's table."""
    return sorted({str(row["system"]) for row in rows}, key=table_order)


def ablation(rows: Rows) -> dict[str, dict[float, Row]]:
    """Rows of the reported perplexity by base and β; empty where fewer than two β are known."""
    split, table = reported_split(rows), by_key(rows)
    names = (SystemName.parse(system) for system in systems_of(rows))
    betas = {n.system: float(n.variant) for n in names if n and n.kind == "memory_beta"}
    for row in rows:
        if (row["system"], row["metric"]) == ("memory", BETA):
            betas["memory"] = number(row["value"])
    if len(betas) < 2:
        return {}
    systems = sorted(betas, key=betas.__getitem__)
    return {
        base: {betas[system]: table[system, base, split, "perplexity"] for system in systems}
        for base in bases_of(rows)
    }


def tuned(rows: Rows) -> Iterator[dict[str, str]]:
    """What was tuned: one line per system, one column per base."""
    columns = {base: base for base in bases_of(rows)}
    return system_lines(rows, columns, partial(_knobs_of, by_key(rows)))


def number(value: JsonValue) -> float:
    """A cell that holds a number."""
    assert isinstance(value, int | float)
    return float(value)


def _knobs_of(table: Table, system: str, base: str) -> str:
    found = {sign: table.get((system, base, TUNING_SPLIT, knob)) for knob, sign in KNOBS.items()}
    return ", ".join(f"{sign} = {readable(row['value'])}" for sign, row in found.items() if row)
