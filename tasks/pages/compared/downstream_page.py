"""The downstream part of the comparison's page: systems by task in the paper's layout."""

from collections.abc import Callable, Iterator
from functools import partial

from memdec_core.downstream.downstream import METHODS, Method
from memdec_core.downstream.downstream_prompts import DATASET_PROMPTS
from memdec_core.downstream.downstream_table import AVERAGE
from tasks.pages.compared.comparison_tables import KNOBS, Row, Table, system_lines, systems_of
from tasks.pages.markdown_page import markdown_table
from tasks.pages.report_tables import Rows, bases_of, by_key, readable

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


def downstream_sections(rows: Rows) -> list[list[str]]:
    """Lines of Markdown for every base that has downstream rows; no section where none has.

    Args:
        rows: The comparison's rows.
    """
    table = by_key(rows)
    sections = []
    for base in bases_of(rows):
        parts = {
            f"Downstream accuracy by {HEADINGS[method]}, {base}": (
                NOTES[method],
                partial(_accuracy, table, base, method),
            )
            for method in METHODS
        }
        tuned = "By DCPMI / by likelihood.", partial(_knobs, table, base)
        parts[f"What was tuned downstream, {base}"] = tuned
        for heading, (note, cell) in parts.items():
            if lines := list(markdown_table(_by_task(rows, cell))):
                sections.append([f"## {heading}", "", note, "", *lines])
    return sections


def _by_task(rows: Rows, cell: Callable[[str, str], str]) -> Iterator[dict[str, str]]:
    """One column per task and their mean, as far as they have a cell."""
    systems = systems_of(rows)
    found = {t: name for t, name in NAMES.items() if any(cell(system, t) for system in systems)}
    return system_lines(rows, found, cell)


def _accuracy(table: Table, base: str, method: Method, system: str, task: str) -> str:
    row = table.get((system, base, task, f"accuracy_{method}"))
    return _percent(row) if row else ""


def _knobs(table: Table, base: str, system: str, task: str) -> str:
    """What was tuned for one task, as `α 0.4 / 0.35`; empty where nothing was."""
    shown = []
    for knob, sign in KNOBS.items():
        rows = [table.get((system, base, task, f"{knob}_{method}")) for method in METHODS]
        values = [readable(row["value"]) for row in rows if row is not None]
        if values:
            shown.append(f"{sign} {' / '.join(values)}")
    return ", ".join(shown)


def _percent(row: Row) -> str:
    """A share in percent with its interval, where it has one."""
    value, low, high = (row[end] for end in ("value", "ci_low", "ci_high"))
    assert isinstance(value, float)
    if not isinstance(low, float) or not isinstance(high, float):
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} ({100 * low:.1f} – {100 * high:.1f})"
