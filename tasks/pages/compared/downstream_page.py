"""The downstream part of the comparison's page: systems by task in the paper's layout."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from memdec_core.downstream.downstream import METHODS, Method
from memdec_core.downstream.downstream_prompts import DATASET_PROMPTS
from memdec_core.downstream.downstream_table import AVERAGE
from tasks.pages.compared.comparison_tables import KNOBS, label_of, systems_of
from tasks.pages.report_tables import Rows, bases_of, by_key, markdown_row, readable

HEADINGS: dict[Method, str] = {"dcpmi": "DCPMI", "lm": "likelihood"}
NAMES: dict[str, str] = {task: task.upper() for task in DATASET_PROMPTS} | {
    "yahoo": "Yahoo",
    AVERAGE: "avg",
}
NOTES: dict[Method, str] = {
    "dcpmi": "Accuracy in % and its confidence interval over resampled records, zero-shot, by "
    "log p(choice | prompt) - log p(choice | domain premise), averaged over a label's words. "
    "Weights were tuned for each task on one half of its records; all systems are reported on the "
    "other half.",
    "lm": "The same by p(choice | prompt) alone, with weights tuned for it.",
}
Table = Mapping[tuple[JsonValue, ...], Mapping[str, JsonValue]]


def downstream_sections(rows: Rows) -> list[list[str]]:
    """Lines of Markdown for every base that has downstream rows; no section where none has.

    Args:
        rows: The comparison's rows.
    """
    table = by_key(rows)
    sections = []
    for base in bases_of(rows):
        for method in METHODS:
            lines = list(_accuracies(table, systems_of(rows), base, method))
            if lines:
                heading = f"## Downstream accuracy by {HEADINGS[method]}, {base}"
                sections.append([heading, "", NOTES[method], "", *lines])
        tuned = list(_tuned(table, systems_of(rows), base))
        if tuned:
            heading = f"## What was tuned downstream, {base}"
            sections.append([heading, "", "By DCPMI / by likelihood.", "", *tuned])
    return sections


def _accuracies(table: Table, systems: list[str], base: str, method: Method) -> Iterator[str]:
    """One line per system, one column per task, and their mean."""
    metric = f"accuracy_{method}"
    columns: list[str] = [
        task
        for task in (*DATASET_PROMPTS, AVERAGE)
        if any((system, base, task, metric) in table for system in systems)
    ]
    if not columns:
        return
    yield from _header(columns)
    for system in systems:
        cells = [table.get((system, base, task, metric)) for task in columns]
        if any(cells):
            yield markdown_row(
                label_of(system), *(_percent(cell) if cell else "" for cell in cells)
            )


def _tuned(table: Table, systems: list[str], base: str) -> Iterator[str]:
    """One line per system that has a weight, one column per task: by DCPMI, then by likelihood."""
    metrics = [f"{knob}_{method}" for knob in KNOBS for method in METHODS]
    columns: list[str] = [
        task
        for task in DATASET_PROMPTS
        if any((system, base, task, name) in table for system in systems for name in metrics)
    ]
    if not columns:
        return
    yield from _header(columns)
    for system in systems:
        cells = [_knobs(table, system, base, task) for task in columns]
        if any(cells):
            yield markdown_row(label_of(system), *cells)


def _knobs(table: Table, system: str, base: str, task: str) -> str:
    """What was tuned for one task, as `α 0.4 / 0.35`; empty where nothing was."""
    shown = []
    for knob, sign in KNOBS.items():
        rows = [table.get((system, base, task, f"{knob}_{method}")) for method in METHODS]
        values = [readable(row["value"]) for row in rows if row is not None]
        if values:
            shown.append(f"{sign} {' / '.join(values)}")
    return ", ".join(shown)


def _header(columns: list[str]) -> Iterator[str]:
    yield markdown_row("system", *(NAMES[column] for column in columns))
    yield markdown_row("---", *["--:"] * len(columns))


def _percent(row: Mapping[str, JsonValue]) -> str:
    """A share in percent with its interval, where it has one."""
    value, low, high = (row[end] for end in ("value", "ci_low", "ci_high"))
    assert isinstance(value, float)
    if not isinstance(low, float) or not isinstance(high, float):
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} ({100 * low:.1f} – {100 * high:.1f})"
