"""The page has a table per base, whose lines hold the numbers of the rows."""

from tasks.pages.compared.latency_page import latency_sections

MACHINE = {"device": "NVIDIA H200", "cores": 16, "threads": 8}


def row(system: str, context: int, datastore_rows: int | None, **values: float | None) -> dict:
    measured = {
        "system": system,
        "base": "one",
        "context": context,
        "datastore_rows": datastore_rows,
        "first_token_ms": 12.34,
        "ms_per_token": 4.0,
        "tokens_per_second": 250.0,
        "ratio": 1.25,
        "ratio_low": 1.125,
        "ratio_high": 1.5,
        "flops_ratio": None,
        "memory_bytes": 1_500_000_000,
        "disk_bytes": 12_340_000,
    }
    return measured | MACHINE | values


ROWS = [
    row("knn_lm", 512, 200_000, ratio=20.5),
    row("base", 512, None, ratio=1.0, ratio_low=1.0, ratio_high=1.0, flops_ratio=1.0),
    row("knn_lm", 512, 10_000),
    row("rag", 512, None),
    row("memory", 512, None, flops_ratio=1.3),
    row("base", 64, None, flops_ratio=1.0),
]


def cells(section: list[str]) -> list[list[str]]:
    lines = [line for line in section if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_lines_are_ordered_by_context_system_and_size() -> None:
    _, section = latency_sections({"one": ROWS})
    header, rule, *lines = cells(section)
    assert header[:4] == ["system", "prompt (tokens)", "datastore (rows)", "ratio"]
    assert len(rule) == len(header)
    assert [line[:3] for line in lines] == [
        ["base", "64", ""],
        ["base", "512", ""],
        ["+ memory", "512", ""],
        ["in-context retrieval", "512", ""],
        ["kNN-LM", "512", "10,000"],
        ["kNN-LM", "512", "200,000"],
    ]


def test_a_line_holds_the_numbers_of_its_row() -> None:
    _, section = latency_sections({"one": ROWS})
    lines = {(line[0], line[2]): line[3:] for line in cells(section)[3:]}
    sizes = ["250.00", "12.34", "1,500.0", "12.3"]
    assert lines["base", ""] == ["1", "1", *sizes]
    assert lines["+ memory", ""] == ["1.25 (1.12 – 1.5)", "1.3", *sizes]
    assert lines["kNN-LM", "200,000"] == ["20.50 (1.12 – 1.5)", "", *sizes]


def test_every_base_has_a_section_that_names_the_machine() -> None:
    heading, one, two = latency_sections({"one": ROWS, "two": ROWS[:2]})
    assert heading[0] == "## Time and memory of generation"
    assert (one[0], two[0]) == ("### one", "### two")
    assert len(cells(two)) == 4
    assert all(word in one[-1] for word in ("NVIDIA H200", "16", "8"))
    assert one[-2] == "", "a table ends with an empty line"


def test_nothing_measured_is_no_section() -> None:
    assert latency_sections({}) == []
