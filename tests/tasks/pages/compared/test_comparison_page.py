"""The comparison's page from rows made by hand: parts whose data exist, in order, nothing else."""

from memdec_core.scoring.system_name import label_of
from tasks.pages.compared.comparison_page import comparison_page
from tasks.pages.compared.comparison_tables import corpora_elsewhere, reported_split
from tests.support.comparison_rows import measured, row

PLAIN = [
    *measured("gpt2-3.4M", 40.0, {"memory": 0.5, "dapt": 0.6}),
    row("memory", "gpt2-3.4M", "valid", "alpha", 0.6),
]
ABLATED = PLAIN + measured("gpt2-3.4M", 40.0, {"memory_beta_0": 0.55, "memory_beta_1": 0.5})[1:]
CHECKED = [
    row("targets", None, "valid", "kept_mass", 0.98),
    row("targets", None, "valid", "coverage", 0.76),
    row("targets", None, "valid", "calibration_error", 0.25),
    row("memory_alone", None, "valid", "kl", 1.84, (1.78, 1.9)),
    row("memory", None, "valid", "beta", 0.5),
]
FOREIGN = [
    row("memory", "gpt2-3.4M", "sst2", "accuracy_dcpmi", 0.9, (0.8, 1.0)),
    row("base", None, "test", "verbatim_share", 0.1),
    row("memory", None, "train", "verbatim_share", 0.2),
    row("other_system", "gpt2-3.4M", "all", "latency_ratio", 1.3),
]


def headings(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("#")]


def test_parts_come_in_order_and_only_with_their_data() -> None:
    title = "# The memory and what one would do without it"
    first = [title, "## In short", "## Perplexity, test", "## Ratio to the base, test"]
    assert headings(comparison_page(PLAIN, [])) == [
        *first,
        *("## What was tuned", "## The paper's numbers"),
    ]
    elsewhere = measured("gpt2-3.4M", 30.0, {"memory": 1.1}, "general")
    further = [["## Time", "", "none"], ["## More", "", "text"]]
    whole = comparison_page(ABLATED + CHECKED + elsewhere, [], further)
    assert headings(whole) == [
        *first,
        "## Ratio to the base on another corpus: general",
        "## The memory's two losses",
        "## What was tuned",
        "## Fidelity and reliability of the targets",
        *("## Time", "## More", "## The paper's numbers"),
    ]
    assert "![" not in whole
    assert "\n\n\n" not in whole


def test_pictures_are_shown_where_they_exist() -> None:
    names = ["systems.png", "alpha_curves_0.png", "ablation.png", "reliability.png"]
    page = comparison_page(ABLATED + CHECKED, names)
    assert all(f"]({name})" in page for name in names)
    assert page.count("![") == 4


def test_losses_are_tabled_by_beta_with_the_pipelines_own_among_them() -> None:
    page = comparison_page(ABLATED + CHECKED, [])
    lines = [
        line
        for line in page.split("two losses\n")[1].split("## ")[0].splitlines()
        if line.startswith("|")
    ]
    assert [line.split("|")[1].strip() for line in lines] == ["β", "---", "0", "0.5", "1"]
    assert [line.split("|")[2].split()[0] for line in lines[2:]] == ["22.00", "20.00", "20.00"]


def test_fidelity_and_reliability_are_stated() -> None:
    page = comparison_page(PLAIN + CHECKED, [])
    assert "| memory against p_kNN: KL divergence (nats) | 1.84 (1.78 – 1.9) | 1,234 |" in page
    assert "| share of positions whose next token is among them | 0.76 | 1,234 |" in page
    assert "| calibration error of the targets | 0.25 | 1,234 |" in page


def test_rows_of_other_measurements_are_no_corpora_and_change_nothing() -> None:
    assert comparison_page(PLAIN + FOREIGN, []) == comparison_page(PLAIN, [])
    assert corpora_elsewhere(PLAIN + FOREIGN) == []
    only_valid = [entry | {"split": "valid"} for entry in PLAIN]
    assert reported_split(only_valid + FOREIGN) == "valid"


def test_every_system_has_a_label() -> None:
    assert label_of("memory_beta_0.25") == "+ memory, β = 0.25"
    assert label_of("memory_student_wide") == "+ memory, student wide"
    assert label_of("memory_datastore_big-one") == "+ memory, datastore of big-one"
    assert label_of("memory_alone") == "memory alone"
