"""What the page says of an adaptive α follows from rows made by hand."""

import pytest

from storage.objects.artifact_ref import ArtifactRef
from tasks.pages.compared.comparison_page import comparison_page
from tasks.pages.compared.domains_page import domains_page
from tasks.pages.compared.router_page import router_sections, router_summary
from tests.support.comparison_rows import Row, measured, row


def routed(
    split: str, ratio: float, spread: float = 0.01, base: str = "gpt2", alpha: float = 0.6
) -> list[Row]:
    """Rows of a routed mixture on a split."""
    ends = ratio - spread, ratio + spread
    gain = row("memory_router", base, split, "ratio_to_constant_alpha", ratio, ends)
    weights = {"alpha_mean": alpha, "alpha_low": alpha - 0.4, "alpha_high": alpha + 0.25}
    values = [row("memory_router", base, split, name, value) for name, value in weights.items()]
    return [*measured(base, 40.0, {"memory_router": 0.5 * ratio}, split)[1:], gain, *values]


def domain(split: str = "test", base: str = "gpt2") -> list[Row]:
    tuned = row("memory", base, "valid", "alpha", 0.55)
    return [*measured(base, 40.0, {"memory": 0.5}, split), tuned]


def test_the_gain_is_stated_with_its_interval() -> None:
    rows = [*domain(), *routed("valid", 0.96), *routed("test", 0.98)]
    assert list(router_summary(rows)) == [
        "- For **gpt2** an α that adapts to every token is better than the constant 0.55: test "
        "perplexity -2.0 % (-3.0 to -1.0), α 0.6 (0.2 to 0.85)."
    ]


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(0.98, "better than"), (0.995, "not clearly different from"), (1.02, "worse than")],
)
def test_only_a_whole_interval_below_one_is_a_gain(ratio: float, verdict: str) -> None:
    (said,) = router_summary([*domain(), *routed("test", ratio)])
    assert f" is {verdict} the constant 0.55" in said


def test_without_a_test_split_it_is_said_that_the_text_was_fitted_on() -> None:
    (said,) = router_summary([*domain("valid"), *routed("valid", 0.96)])
    assert said.endswith(
        "valid perplexity -4.0 % (-5.0 to -3.0), α 0.6 (0.2 to 0.85); the router was fitted on "
        "this very text, so that less is to be expected elsewhere."
    )


def test_every_split_and_corpus_is_tabled_by_base() -> None:
    bases = "gpt2", "wide"
    rows = [
        entry
        for base in bases
        for part in (
            domain(base=base),
            routed("valid", 0.96, base=base),
            routed("test", 0.98, base=base),
            measured(base, 30.0, {"memory": 1.1}, "general"),
            routed("general", 0.9, base=base, alpha=0.45),
        )
        for entry in part
    ]
    ((title, _, note, _, header, rule, *lines),) = router_sections(rows)
    assert title == "## Adaptive α"
    assert "fitted on the validation split" in note
    assert header.count("|") == rule.count("|") == 6
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    places = ["valid (fitted here)", "test", "general"]
    assert [line[:2] for line in cells] == [[base, place] for base in bases for place in places]
    assert cells[1][2:] == ["19.60 (19.55 – 19.65)", "0.98 (0.97 – 0.99)", "0.6 (0.2 to 0.85)"]
    assert cells[2][3:] == ["0.9 (0.89 – 0.91)", "0.45 (0.05 to 0.7)"]


def test_without_a_router_nothing_is_said() -> None:
    assert list(router_summary(domain())) == []
    assert router_sections(domain()) == []


def test_the_system_stands_beside_the_memory_and_its_weights_are_not_tuned_ones() -> None:
    rows = [*domain(), *routed("valid", 0.96), *routed("test", 0.98)]
    page = comparison_page(rows, [])
    assert "## Adaptive α" in page
    table = page.split("## Perplexity, test")[1].split("##")[0]
    shown = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert shown == ["system", "---", "base", "+ memory", "+ memory, adaptive α"]
    knobs = page.split("## What was tuned")[1].split("##")[0]
    assert "+ memory" in knobs
    assert "adaptive" not in knobs


def test_the_page_of_several_domains_has_the_row_where_a_domain_has_a_router() -> None:
    law = [*domain(), *routed("valid", 0.96), *routed("test", 0.98)]
    rows = [{"corpus": "law"} | entry for entry in law]
    rows += [{"corpus": "code"} | entry for entry in domain()]
    ref = ArtifactRef(stage="comparison", fingerprint="1" * 32)
    page = domains_page(rows, {"law": ref, "code": ref}, [])
    (line,) = {line for line in page.splitlines() if "adaptive α" in line and "19.60" in line}
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        "+ memory, adaptive α",
        "19.60 (19.55 – 19.65)",
        "",
    ]
