"""The comparison's rows as tables of systems by base, in the paper's layout."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue

from memdec_core.scoring.result_row import TUNING_SPLIT
from tasks.pages.report_tables import Rows, bases_of, by_key, interval, markdown_row, readable

REPORTED = "test"
LABELS = {
    "base": "base",
    "rag": "in-context retrieval",
    "knn_lm": "kNN-LM",
    "lora": "LoRA",
    "dapt": "DAPT",
    "dapt_small": "+ DAPT of the student",
    "memory": "+ memory",
    "memory_router": "+ memory, adaptive α",
    "memory_beta_0": "+ memory, cross-entropy only",
    "memory_beta_1": "+ memory, KL only",
}
"""In the order of the paper's table."""

PREFIXES = {
    "memory_beta_": "+ memory, β = ",
    "memory_student_": "+ memory, student ",
    "memory_datastore_": "+ memory, datastore of ",
}
KNOBS = {"alpha": "α", "lambda": "λ", "tau": "τ"}
Row = Mapping[str, JsonValue]
Table = Mapping[tuple[JsonValue, ...], Row]


def systems_by_base(rows: Rows, metric: str, split: str) -> Iterator[dict[str, str]]:
    """A metric on a split or another corpus: one line per system, one column per base."""
    table = by_key(rows)
    for system in systems_of(rows):
        cells = {base: table.get((system, base, split, metric)) for base in bases_of(rows)}
        if any(cells.values()):
            shown = {base: "" if row is None else interval(row) for base, row in cells.items()}
            yield {"system": label_of(system), **shown}


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
    order = list(LABELS)
    present = {str(row["system"]) for row in rows}
    return sorted(present, key=lambda name: (order.index(name) if name in LABELS else 99, name))


def label_of(system: str) -> str:
    """What the page calls a system."""
    if system in LABELS:
        return LABELS[system]
    for prefix, label in PREFIXES.items():
        if system.startswith(prefix):
            return label + system.removeprefix(prefix)
    return system.replace("_", " ")


def tuned(rows: Rows) -> Iterator[dict[str, str]]:
    """What was tuned: one line per system, one column per base."""
    table = by_key(rows)
    for system in systems_of(rows):
        cells = {base: _knobs_of(table, system, base) for base in bases_of(rows)}
        if any(cells.values()):
            yield {"system": label_of(system), **cells}


def markdown_table(lines: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Lines of equal columns as Markdown, the first column to the left."""
    for place, line in enumerate(lines):
        if place == 0:
            yield markdown_row(*line)
            yield markdown_row("---", *["--:"] * (len(line) - 1))
        yield markdown_row(*line.values())


def number(value: JsonValue) -> float:
    """A cell that holds a number."""
    assert isinstance(value, int | float)
    return float(value)


def _knobs_of(table: Table, system: str, base: str) -> str:
    found = {sign: table.get((system, base, TUNING_SPLIT, knob)) for knob, sign in KNOBS.items()}
    return ", ".join(f"{sign} = {readable(row['value'])}" for sign, row in found.items() if row)
