from pydantic import JsonValue

from memdec_core.scoring.result_row import ResultRow
from tasks.pages.compared.downstream_page import downstream_sections


def row(system: str, split: str, metric: str, value: float, base: str = "gpt2") -> ResultRow:
    return ResultRow(system, base, split, metric, value, value - 0.1, 0.95, 50)


def sections_of(rows: list[ResultRow]) -> dict[str, list[list[str]]]:
    """Cells of each section's table by heading, without the line below the header."""
    table: list[dict[str, JsonValue]] = [each._asdict() for each in rows]
    found = {}
    for section in downstream_sections(table):
        assert section[1] == section[3] == "", "blank lines around the note"
        lines = [line for line in section if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert {len(line) for line in cells} == {len(cells[0])}
        found[section[0]] = [cells[0], *cells[2:]]
    return found


ROWS = [
    row("memory", "cb", "accuracy_dcpmi", 0.75),
    row("memory", "average", "accuracy_dcpmi", 0.7),
    row("base", "cb", "accuracy_dcpmi", 0.5),
    row("base", "sst2", "accuracy_dcpmi", 0.8125),
    row("base", "average", "accuracy_dcpmi", 0.6),
    row("base", "cb", "accuracy_lm", 0.4),
    row("base", "cb", "macro_f1_dcpmi", 0.3),
    ResultRow("memory", "gpt2", "cb", "alpha_dcpmi", 0.35, None, None, 50),
    ResultRow("memory", "gpt2", "cb", "alpha_lm", 0.0, None, None, 50),
    ResultRow("knn_lm", "gpt2", "sst2", "lambda_dcpmi", 0.25, None, None, 50),
    ResultRow("knn_lm", "gpt2", "sst2", "tau_dcpmi", 30.0, None, None, 50),
    ResultRow("base", "gpt2", "test", "perplexity", 20.0, 19.0, 21.0, 999),
    ResultRow("memory", "gpt2", "valid", "alpha", 0.9, None, None, 999),
    ResultRow("base", "other", "test", "perplexity", 30.0, 29.0, 31.0, 999),
]


def test_systems_by_task_in_the_papers_order_with_intervals_in_percent() -> None:
    sections = sections_of(ROWS)
    assert sections["## Downstream accuracy by DCPMI, gpt2"] == [
        ["system", "SST2", "CB", "avg"],
        ["base", "81.2 (71.2 – 95.0)", "50.0 (40.0 – 95.0)", "60.0 (50.0 – 95.0)"],
        ["+ memory", "", "75.0 (65.0 – 95.0)", "70.0 (60.0 – 95.0)"],
    ]
    assert sections["## Downstream accuracy by likelihood, gpt2"] == [
        ["system", "CB"],
        ["base", "40.0 (30.0 – 95.0)"],
    ]


def test_what_was_tuned_is_shown_for_both_ways_of_scoring() -> None:
    assert sections_of(ROWS)["## What was tuned downstream, gpt2"] == [
        ["system", "SST2", "CB"],
        ["kNN-LM", "λ 0.25, τ 30.00", ""],
        ["+ memory", "", "α 0.35 / 0"],
    ]


def test_a_value_without_an_interval_stands_alone() -> None:
    rows = [ResultRow("base", "gpt2", "cb", "accuracy_lm", 0.5, None, None, 1)]
    (lines,) = sections_of(rows).values()
    assert lines[1] == ["base", "50.0"]


def test_bases_without_downstream_rows_have_no_section() -> None:
    assert not any("other" in heading for heading in sections_of(ROWS))
    assert downstream_sections([each._asdict() for each in ROWS[-3:]]) == []
