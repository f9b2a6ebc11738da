"""The report's text: Markdown from manifests and the evaluation's rows, nothing read or written."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from memdec_core.scoring.result_row import TUNING_SPLIT
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from tasks.pages.lineage import lineage_graph
from tasks.pages.markdown_page import join_sections
from tasks.pages.report_tables import (
    RESULTS_NOTE,
    Manifests,
    Rows,
    bases_of,
    by_key,
    quality_table,
    readable,
    results_table,
    stage_table,
)


def report_page(
    stages: Manifests, lineage: Mapping[ArtifactRef, Manifest], rows: Rows, pictures: Sequence[str]
) -> str:
    """One page that a person can read, with pictures by file name.

    Args:
        stages: Manifests of the pipeline's stages by name, in order.
        lineage: Manifests of these artifacts and of all they were made from.
        rows: The evaluation's rows.
        pictures: File names beside the page, among loss_curves.png and alpha_curve.png.
    """
    sections = [
        ["# A memory for a frozen language model", "", *headline(rows)],
        ["## Results", "", *results_table(rows), "", RESULTS_NOTE],
        _picture("α, the memory's weight", "alpha_curve.png", pictures),
        ["## What was built", "", *stage_table(stages)],
        ["## How far it can be trusted", "", *quality_table(stages, rows)],
        _picture("Training of the memory", "loss_curves.png", pictures),
        ["## Lineage", "", *lineage_graph(lineage)],
        ["## Where to look next", "", *next_steps(stages)],
    ]
    return join_sections(sections)


def headline(rows: Rows) -> Iterator[str]:
    """What the memory does for each base, on the split that nothing was tuned on, in words."""
    table = by_key(rows)
    for base in bases_of(rows):
        split = "test" if ("base", base, "test", "perplexity") in table else TUNING_SPLIT
        before = table["base", base, split, "perplexity"]
        after = table["memory", base, split, "perplexity"]
        ratio = table["memory", base, split, "perplexity_ratio"]
        change = f"{_percent(ratio['value'])}{_verdict(ratio)}"
        yield (
            f"**{base}** has a {split} perplexity of {readable(before['value'])}; "
            f"with the memory it has **{readable(after['value'])}** ({change}).  "
        )


def next_steps(stages: Manifests) -> Iterator[str]:
    """Commands that go on from here."""
    yield '- `memdec generate PIPELINE.yaml --prompt "…"`: base and base + memory side by side'
    yield f"- `memdec artifacts show {stages['evaluation'].ref}`: the evaluation's manifest"
    yield "- `memdec artifacts diff A B`: what changed between two artifacts of a stage"
    yield f"- `memdec artifacts verify {stages['memory'].ref}`: every byte against its checksum"
    yield (
        "- The memory is a Hugging Face folder; where it lies is the last line of "
        f"`memdec artifacts show {stages['memory'].ref}`"
    )


def _picture(title: str, name: str, pictures: Sequence[str]) -> list[str]:
    return [f"## {title}", "", f"![{title}]({name})"] if name in pictures else []


def _percent(ratio: JsonValue) -> str:
    assert isinstance(ratio, int | float)
    return f"{100 * (ratio - 1):+.1f} %"


def _verdict(ratio: Mapping[str, JsonValue]) -> str:
    """Whether the interval leaves a doubt about the direction."""
    low, high = ratio["ci_low"], ratio["ci_high"]
    if not isinstance(low, float) or not isinstance(high, float):
        return ", too little text for an interval"
    return ", within the uncertainty" if low <= 1 <= high else ""
