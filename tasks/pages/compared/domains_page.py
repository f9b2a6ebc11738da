"""The page of several comparisons: one answer, tables by corpus, what is forgotten where."""

from collections.abc import Iterator, Mapping, Sequence

from memdec_core.scoring.system_name import label_of
from storage.objects.artifact_ref import ArtifactRef
from tasks.pages.compared.comparison_page import NOTE, RATIO_NOTE
from tasks.pages.compared.comparison_tables import FORGETTING, reported_split
from tasks.pages.compared.domains_summary import domains_summary
from tasks.pages.compared.domains_tables import (
    by_corpus,
    is_measured_elsewhere,
    joint_bases,
    matrix_lines,
    systems_by_corpus,
)
from tasks.pages.compared.paper_page import paper_sections, paper_settings
from tasks.pages.markdown_page import Section, join_sections, markdown_table, picture_section
from tasks.pages.report_tables import Rows

MATRIX_NOTE = (
    "Ratio to the base. A line is the domain that the system was made for and tuned on, a column "
    "the corpus whose test split it was measured on: above 1 it costs the base something there."
)


def domains_page(
    rows: Rows,
    comparisons: Mapping[str, ArtifactRef],
    pictures: Sequence[str],
    further_sections: Sequence[Section] = (),
) -> str:
    """One page that a person can read; parts whose data are missing are left out.

    Args:
        rows: The joint rows.
        comparisons: The comparison of every corpus.
        pictures: File names beside the page, of `systems_picture` and `forgetting_picture`.
        further_sections: Lines of Markdown of other measurements.
    """
    sections: list[Section] = [
        ["# The memories of several domains", "", NOTE],
        ["## In short", "", *domains_summary(rows)],
    ]
    for place, base in enumerate(joint_bases(rows)):
        perplexities = markdown_table(systems_by_corpus(rows, base, "perplexity"))
        ratios = markdown_table(systems_by_corpus(rows, base, "perplexity_ratio"))
        sections += [
            [f"## Perplexity, {base}", "", *perplexities],
            picture_section(
                f"Perplexity by system and corpus, {base}", systems_picture(place), pictures
            ),
            [f"## Ratio to the base, {base}", "", RATIO_NOTE, "", *ratios],
            *_forgetting(rows, base, place, pictures),
        ]
    sections += [
        *further_sections,
        ["## The corpora", "", *_corpora(rows, comparisons)],
        *_published(rows),
    ]
    return join_sections(sections)


def systems_picture(place: int) -> str:
    """File name of the perplexities of a base, by its place among the bases."""
    return f"systems_{place}.png"


def forgetting_picture(place: int) -> str:
    """File name of a base's matrices."""
    return f"forgetting_{place}.png"


def _forgetting(rows: Rows, base: str, place: int, pictures: Sequence[str]) -> list[Section]:
    """The matrices of one base, where anything was measured elsewhere."""
    if not is_measured_elsewhere(rows):
        return []
    title = f"## What is kept elsewhere, {base}"
    sections: list[Section] = [
        [title, "", MATRIX_NOTE],
        picture_section(f"Ratio by domain and corpus, {base}", forgetting_picture(place), pictures),
    ]
    for system in FORGETTING:
        lines = list(markdown_table(matrix_lines(rows, base, system)))
        if lines:
            sections.append([f"**{label_of(system)}**", "", *lines])
    return sections


def _corpora(rows: Rows, comparisons: Mapping[str, ArtifactRef]) -> Iterator[str]:
    """Where the page of every corpus lies, with what is not repeated here."""
    lines = (
        {
            "corpus": corpus,
            "reported split": reported_split(its_rows),
            "its own page": f"`memdec artifacts show {comparisons[corpus]}`",
        }
        for corpus, its_rows in by_corpus(rows).items()
    )
    return markdown_table(lines, left=3)


def _published(rows: Rows) -> list[Section]:
    """The paper's numbers for the corpora and bases that are the paper's."""
    sections: list[Section] = []
    for corpus, its_rows in by_corpus(rows).items():
        if any(paper_settings(base, corpus) for base in joint_bases(its_rows)):
            (title, *note), *tables = paper_sections(its_rows, corpus)
            sections += [[f"{title}: {corpus}", *note], *tables]
    return sections
