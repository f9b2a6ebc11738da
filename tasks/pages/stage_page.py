"""The Markdown page of an artifact: what it is, figures, plots, settings, lineage, record.

Its words are those of `stage_page.md.jinja`, beside this module.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from memdec_core.text.document_split import SPLITS
from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.jobs.stage_catalogue import STAGES
from tasks.jobs.stage_words import page_title
from tasks.pages.figure_words import seconds_of, size_of, split_figures
from tasks.pages.lineage import lineage_graph, trace
from tasks.pages.markdown_page import fill_template, in_cell
from tasks.pages.page_pictures import picture_names, picture_title
from tasks.pages.reject_words import corpus_rejects
from tasks.pages.report_tables import RESULTS_NOTE, results_table
from tasks.pages.setting_words import described

_MOST_VALUES = 6
"""Entries of a list that a cell shows."""


def stage_page(store: Store, manifest: Manifest, title: str, done: str) -> str:
    """The Markdown page of a stage, with plots by file name.

    Args:
        store: Where the artifact lies.
        manifest: The artifact's.
        title: The heading.
        done: How the artifact came to be, in a sentence.
    """
    ref = manifest.ref
    by_split, single = split_figures(manifest.figures)
    return fill_template(
        "tasks.pages",
        "stage_page.md.jinja",
        title=title,
        stage=STAGES.get(ref.stage),
        done=done,
        rejected=corpus_rejects(store, ref).said if ref.stage == "corpus" else "",
        results=_results(store, ref),
        RESULTS_NOTE=RESULTS_NOTE,
        splits=[name for name in SPLITS if any(name in values for values in by_split.values())],
        by_split=by_split,
        single=single,
        readable=_readable,
        pictures=[name for each in store.readers(ref).values() for name in picture_names(each)],
        picture_title=picture_title,
        settings=list(described(manifest.config)),
        in_cell=in_cell,
        manifest=manifest,
        lineage=lineage_graph(trace([ref], store.manifest), ref),
        ref=ref,
        built=_when(manifest),
        seconds_of=seconds_of,
        size_of=size_of,
        files=sum(len(shard.files) for shard in manifest.shards),
        location=store.location(ref),
    )


def plain_title(manifest: Manifest) -> str:
    """The heading where no pipeline's name is known."""
    stage = manifest.ref.stage
    return page_title(stage, stage, "").removesuffix(" of ")


def how_done(manifest: Manifest, *, reused: bool) -> str:
    """Whether this run made the artifact, and what that took."""
    took = f"{seconds_of(manifest.seconds)}, {size_of(manifest.bytes)} on disk"
    if reused:
        return f"**Reused** as it was: built on {_when(manifest)} in {took}."
    return f"**Built** in {took}."


def writes_page(stage: str) -> bool:
    """Whether a stage's artifact has a page of its own, report.md."""
    return stage in STAGES and STAGES[stage].writes_page


def _when(manifest: Manifest) -> str:
    return f"{datetime.fromisoformat(manifest.created):%Y-%m-%d at %H:%M} UTC"


def _results(store: Store, ref: ArtifactRef) -> list[str]:
    """The table that an evaluation shows in place of figures."""
    return [*results_table(RESULTS.read(store.only(ref)))] if ref.stage == "evaluation" else []


def _readable(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not set"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_readable(inner)}" for key, inner in value.items())
    return in_cell(str(value)).replace("<", "&lt;")  # names of files are not ours


def _listed(values: list[JsonValue]) -> str:
    """A list by its first and last entries; a pair of a name and a hash by its name."""
    shown = [
        _readable(value[0] if isinstance(value, list) and value else value) for value in values
    ]
    if len(shown) <= _MOST_VALUES:
        return ", ".join(shown) or "none"
    return f"{', '.join(shown[:3])} … {', '.join(shown[-2:])} ({len(values)} values)"
