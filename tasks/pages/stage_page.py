"""The Markdown page of an artifact: what it is, figures, plots, settings, lineage, record."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import JsonValue

from memdec_core.text.document_split import SPLITS
from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from tasks.jobs.stage_catalogue import STAGES
from tasks.jobs.stage_words import page_title
from tasks.pages.figure_words import split_figures
from tasks.pages.lineage import lineage_graph, trace
from tasks.pages.markdown_page import markdown_row
from tasks.pages.page_pictures import picture_names, picture_title
from tasks.pages.readable_units import seconds_of, size_of
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
    stage = manifest.ref.stage
    sections = [
        [f"# {title}", "", *([STAGES[stage].what, ""] if stage in STAGES else []), done],
        _figures(store, manifest),
        *_pictures(store, manifest),
        _settings(manifest),
        _made_from(store, manifest),
        ["## What next", "", *_next_commands(manifest.ref)],
        ["## How it was made", "", *_record(manifest)],
        [f"Files: `{store.location(manifest.ref)}`"],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


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


def _next_commands(ref: ArtifactRef) -> Iterator[str]:
    """Commands that go on from an artifact."""
    if ref.stage in STAGES and (following := STAGES[ref.stage].next_command):
        yield f"- `{following[0]}`: {following[1]}"
    yield f"- `memdec artifacts verify {ref}`: every byte against its checksum"
    yield f"- `memdec artifacts diff {ref} {ref.stage}/…`: what differs from another one"


def _when(manifest: Manifest) -> str:
    return f"{datetime.fromisoformat(manifest.created):%Y-%m-%d at %H:%M} UTC"


def _figures(store: Store, manifest: Manifest) -> list[str]:
    """The figures: those that splits share as one table, all others below."""
    if manifest.ref.stage == "evaluation":
        rows = RESULTS.read(store.only(manifest.ref))
        return ["## Results", "", *results_table(rows), "", RESULTS_NOTE]
    by_split, single = split_figures(manifest.figures)
    lines: list[str] = []
    if by_split:
        splits = [name for name in SPLITS if any(name in values for values in by_split.values())]
        lines += [markdown_row("", *splits), markdown_row("---", *["--:"] * len(splits))]
        for name, values in by_split.items():
            cells = [_readable(values[split]) if split in values else "" for split in splits]
            lines.append(markdown_row(name, *cells))
        lines.append("")
    if single:
        lines += ["| figure | value |", "|---|--:|"]
        lines += [markdown_row(name, _readable(value)) for name, value in single.items()]
    return ["## Figures", "", *lines] if lines else []


def _pictures(store: Store, manifest: Manifest) -> Iterator[list[str]]:
    for reader in store.readers(manifest.ref).values():
        for name in picture_names(reader):
            yield [f"## {picture_title(name)}", "", f"![{picture_title(name)}]({name})"]


def _settings(manifest: Manifest) -> list[str]:
    rows = [
        markdown_row(f"`{name}`", _readable(value), _in_cell(meaning))
        for name, value, meaning in described(manifest.config)
    ]
    return (
        ["## Settings", "", "| setting | value | meaning |", "|---|---|---|", *rows] if rows else []
    )


def _record(manifest: Manifest) -> Iterator[str]:
    """Where the artifact comes from, for whoever has to explain it later."""
    files, shards = sum(len(shard.files) for shard in manifest.shards), len(manifest.shards)
    facts: Mapping[str, str] = {
        "artifact": f"`{manifest.ref.stage}/{manifest.ref.fingerprint}`",
        "built": _when(manifest),
        "flow run": _run_link(manifest.flow_run_id),
        "time, all shards": seconds_of(manifest.seconds),
        "peak memory of a worker": size_of(manifest.peak_memory_bytes),
        "size": f"{size_of(manifest.bytes)}; files: {files:,}, shards: {shards:,}",
        "software": ", ".join(f"{name} {version}" for name, version in manifest.software.items()),
        "commit of memdec": f"`{manifest.git_commit[:12]}`" if manifest.git_commit else "",
    }
    yield "| | |"
    yield "|---|---|"
    for name, fact in facts.items():
        if fact:
            yield markdown_row(name, fact)


def _run_link(flow_run_id: str | None) -> str:
    """A link that works from an artifact's page, under whichever address the UI is served."""
    return f"[{flow_run_id}](../../runs/flow-run/{flow_run_id})" if flow_run_id else ""


def _made_from(store: Store, manifest: Manifest) -> list[str]:
    """The artifacts that it was made from, where there are any."""
    if not manifest.inputs:
        return []
    lineage = trace([manifest.ref], store.manifest)
    return ["## Made from", "", *lineage_graph(lineage, manifest.ref)]


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
    return _in_cell(str(value)).replace("<", "&lt;")  # names of files are not ours


def _listed(values: list[JsonValue]) -> str:
    """A list by its first and last entries; a pair of a name and a hash by its name."""
    shown = [
        _readable(value[0] if isinstance(value, list) and value else value) for value in values
    ]
    if len(shown) <= _MOST_VALUES:
        return ", ".join(shown) or "none"
    return f"{', '.join(shown[:3])} … {', '.join(shown[-2:])} ({len(values)} values)"


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
