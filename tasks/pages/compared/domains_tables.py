"""Rows of several comparisons as tables of systems by corpus, and of what is forgotten where.

A row is a comparison's, with the corpus it belongs to (the pipeline's name) under `corpus`.
"""

from collections.abc import Iterator

from memdec_core.scoring.system_name import label_of
from tasks.pages.compared.comparison_tables import (
    Row,
    corpora_elsewhere,
    number,
    reported_split,
    systems_of,
)
from tasks.pages.report_tables import Rows, bases_of, by_key, interval


def by_corpus(rows: Rows) -> dict[str, Rows]:
    """The rows of each comparison."""
    corpora = dict.fromkeys(str(row["corpus"]) for row in rows)
    return {corpus: [row for row in rows if row["corpus"] == corpus] for corpus in corpora}


def reported_rows(rows: Rows, base: str, metric: str) -> dict[str, dict[str, Row]]:
    """A metric on the reported splits, by system in the order of the page, then by corpus."""
    found: dict[str, dict[str, Row]] = {system: {} for system in systems_of(rows)}
    for corpus, its_rows in by_corpus(rows).items():
        table, split = by_key(its_rows), reported_split(its_rows)
        for system, cells in found.items():
            if row := table.get((system, base, split, metric)):
                cells[corpus] = row
    return {system: cells for system, cells in found.items() if cells}


def systems_by_corpus(rows: Rows, base: str, metric: str) -> Iterator[dict[str, str]]:
    """A metric of one base: one line per system, one column per corpus."""
    for system, cells in reported_rows(rows, base, metric).items():
        shown = {corpus: interval(cells.get(corpus)) for corpus in by_corpus(rows)}
        yield {"system": label_of(system)} | shown


def values_by_corpus(rows: Rows, base: str) -> dict[str, dict[str, float]]:
    """The reported perplexity of one base by corpus, then by what the page calls a system."""
    found: dict[str, dict[str, float]] = {}
    for system, cells in reported_rows(rows, base, "perplexity").items():
        for corpus, row in cells.items():
            found.setdefault(corpus, {})[label_of(system)] = number(row["value"])
    return found


def forgetting_matrix(rows: Rows, base: str, system: str) -> dict[str, dict[str, Row]]:
    """Ratios to the base: by domain the system was made for, then by corpus measured on."""
    matrix: dict[str, dict[str, Row]] = {}
    for domain, its_rows in by_corpus(rows).items():
        table = by_key(its_rows)
        measured = {domain: reported_split(its_rows)}
        measured |= {name: name for name in corpora_elsewhere(its_rows) if name != domain}
        cells = {
            corpus: row
            for corpus, split in measured.items()
            if (row := table.get((system, base, split, "perplexity_ratio")))
        }
        if cells:
            matrix[domain] = cells
    return matrix


def matrix_columns(rows: Rows) -> list[str]:
    """Everything measured on: the domains, then the corpora that are nobody's domain."""
    parts = by_corpus(rows)
    elsewhere = (name for its_rows in parts.values() for name in corpora_elsewhere(its_rows))
    return list(dict.fromkeys([*parts, *elsewhere]))


def matrix_lines(rows: Rows, base: str, system: str) -> Iterator[dict[str, str]]:
    """The matrix for a page: one line per domain, one column per corpus measured on."""
    for domain, cells in forgetting_matrix(rows, base, system).items():
        shown = {corpus: interval(cells.get(corpus)) for corpus in matrix_columns(rows)}
        yield {"made for": domain} | shown


def is_measured_elsewhere(rows: Rows) -> bool:
    """Whether any system was measured on a corpus that it was not made for."""
    return any(corpora_elsewhere(its_rows) for its_rows in by_corpus(rows).values())


def joint_bases(rows: Rows) -> list[str]:
    """The bases that have a perplexity, in the order of the rows."""
    return bases_of([row for row in rows if row["metric"] == "perplexity"])
