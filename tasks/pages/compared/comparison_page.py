"""The comparison's page, as Markdown: the answer in words, tables, plots."""

from collections.abc import Sequence

from memdec_core.scoring.result_row import TUNING_SPLIT
from tasks.pages.compared.comparison_summary import summary
from tasks.pages.compared.comparison_tables import (
    ablation,
    corpora_elsewhere,
    reported_split,
    systems_by_base,
    tuned,
)
from tasks.pages.compared.paper_page import paper_sections
from tasks.pages.compared.router_page import router_sections, router_summary
from tasks.pages.markdown_page import Section, join_sections, markdown_table, picture_section
from tasks.pages.report_tables import MEASURES, Rows, bases_of, by_key, interval

SYSTEMS, ABLATION, RELIABILITY = "systems.png", "ablation.png", "reliability.png"
NOTE = (
    "Perplexity per token and its confidence interval over resampled documents, on exactly the "
    "same tokens for every system. Weights and temperatures were tuned on the validation split."
)
RATIO_NOTE = "Below 1 is better than the base. Paired: both systems on the same resamples."
ABLATION_NOTE = (
    "Perplexity of base and memory by β, the share of KL in the memory's loss: 0 is cross-entropy "
    "only, 1 is KL only."
)
RELIABILITY_NOTE = (
    "A probability is reliable if, of the tokens that p_kNN gives p, a share p does follow. The "
    "calibration error is the probability per position by which the targets miss that."
)
CHECKED = {
    ("memory_alone", metric): f"memory against p_kNN: {label}" for metric, label in MEASURES.items()
} | {
    ("targets", "kept_mass"): "probability on the tokens that the targets keep",
    ("targets", "coverage"): "share of positions whose next token is among them",
    ("targets", "calibration_error"): "calibration error of the targets",
}


def comparison_page(
    rows: Rows, pictures: Sequence[str], further_sections: Sequence[Section] = ()
) -> str:
    """One page that a person can read; parts whose data are missing are left out.

    Args:
        rows: The comparison's rows; those of other measurements may be among them.
        pictures: File names beside the page: systems.png, ablation.png, reliability.png and
            those of `alpha_picture`.
        further_sections: Lines of Markdown of other measurements, shown before the paper's.
    """
    split = reported_split(rows)
    sections: list[Section] = [
        ["# The memory and what one would do without it", "", NOTE],
        ["## In short", "", *summary(rows), *router_summary(rows)],
        [
            f"## Perplexity, {split}",
            "",
            *markdown_table(systems_by_base(rows, "perplexity", split)),
        ],
        picture_section("Perplexity by system and base", SYSTEMS, pictures),
        [f"## Ratio to the base, {split}", "", RATIO_NOTE, "", *_ratios(rows, split)],
        *[
            [f"## Ratio to the base on another corpus: {corpus}", "", *_ratios(rows, corpus)]
            for corpus in corpora_elsewhere(rows)
        ],
        *router_sections(rows),
        *_ablation(rows, pictures),
        ["## What was tuned", "", *markdown_table(tuned(rows))],
        *[
            picture_section(
                f"Validation perplexity over α on {base}", alpha_picture(place), pictures
            )
            for place, base in enumerate(bases_of(rows))
        ],
        *_trust(rows, pictures),
        *further_sections,
        *paper_sections(rows),
    ]
    return join_sections(sections)


def alpha_picture(place: int) -> str:
    """File name of the α curves on a base, by its place among the bases."""
    return f"alpha_curves_{place}.png"


def _ratios(rows: Rows, corpus: str) -> list[str]:
    """What the systems gain (ratio below 1) or lose on a split or a corpus, tuned as they are."""
    return [*markdown_table(systems_by_base(rows, "perplexity_ratio", corpus))]


def _ablation(rows: Rows, pictures: Sequence[str]) -> list[Section]:
    """Perplexity by β, where there are several."""
    by_base = ablation(rows)
    if not by_base:
        return []
    betas = sorted({beta for points in by_base.values() for beta in points})
    lines = [
        {"β": f"{beta:g}"} | {base: interval(points[beta]) for base, points in by_base.items()}
        for beta in betas
    ]
    return [
        ["## The memory's two losses", "", ABLATION_NOTE, "", *markdown_table(lines)],
        picture_section("Perplexity over β", ABLATION, pictures),
    ]


def _trust(rows: Rows, pictures: Sequence[str]) -> list[Section]:
    """How close the memory is to its targets, and the targets to what follows."""
    table = by_key(rows)
    found = {
        label: table[system, None, TUNING_SPLIT, metric]
        for (system, metric), label in CHECKED.items()
        if (system, None, TUNING_SPLIT, metric) in table
    }
    if not found:
        return []
    lines = (
        {"checked on validation": label, "value": interval(row), "positions": f"{row['n']:,}"}
        for label, row in found.items()
    )
    title = "## Fidelity and reliability of the targets"
    return [
        [title, "", RELIABILITY_NOTE, "", *markdown_table(lines)],
        picture_section("Reliability of p_kNN", RELIABILITY, pictures),
    ]
