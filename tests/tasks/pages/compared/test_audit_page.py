"""The section on memorisation, cell by cell."""

from pydantic import JsonValue

from tasks.pages.compared.audit_page import audit_sections

Row = dict[str, JsonValue]


def row(
    system: str, split: str, metric: str, value: float, ends: tuple[float, float] | None = None
) -> Row:
    low, high = ends or (None, None)
    names = {"system": system, "base": "gpt2-1M", "split": split, "metric": metric}
    n = 500 if split == "train" else 1200
    return names | {"value": value, "ci_low": low, "ci_high": high, "n": n}


def rows_of(system: str, split: str, share: float) -> list[Row]:
    return [
        row(system, split, "verbatim_share", share, (share / 2, share * 2)),
        row(system, split, "verbatim_tokens", 40 * share, (30 * share, 50 * share)),
        row(system, split, "verbatim_longest", 50),
    ]


def test_a_line_per_system_has_a_column_per_measure_and_split() -> None:
    rows = [
        *rows_of("memory", "train", 0.08),
        *rows_of("base", "train", 0.01),
        *rows_of("memory_alone", "train", 0.4),
        *rows_of("memory", "test", 0.02),
        *rows_of("base", "test", 0.01),
        *rows_of("memory_alone", "test", 0.02),
    ]
    (title, blank, note), table = audit_sections(rows)
    assert (title, blank) == ("## Text learnt by heart", "")
    assert note.endswith("There are 500 train and 1,200 test spans.")
    assert table == [
        "| base | system | share in full, train | share in full, test | mean run, train | "
        "mean run, test | longest run, train | longest run, test |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
        "| gpt2-1M | base | 0.01 (0.005 – 0.02) | 0.01 (0.005 – 0.02) | 0.4 (0.3 – 0.5) | "
        "0.4 (0.3 – 0.5) | 50.00 | 50.00 |",
        "| gpt2-1M | memory alone | 0.4 (0.2 – 0.8) | 0.02 (0.01 – 0.04) | "
        "16.00 (12.00 – 20.00) | 0.8 (0.6 – 1) | 50.00 | 50.00 |",
        "| gpt2-1M | + memory | 0.08 (0.04 – 0.16) | 0.02 (0.01 – 0.04) | 3.2 (2.4 – 4) | "
        "0.8 (0.6 – 1) | 50.00 | 50.00 |",
    ]


def test_without_a_control_there_is_no_column_for_it() -> None:
    (*_title, note), table = audit_sections(rows_of("base", "train", 0.1))
    assert note.endswith("There are 500 train spans.")
    assert not any("test" in line for line in table)


def test_rows_of_other_measures_make_no_section() -> None:
    assert audit_sections([row("memory", "test", "perplexity", 3.0)]) == []
    with_audit = audit_sections(
        [row("knn_lm", "valid", "perplexity", 3.0), *rows_of("base", "train", 0.1)]
    )
    assert with_audit == audit_sections(rows_of("base", "train", 0.1))
