"""The Markdown page of an artifact: what was done, figures, plots, where the files lie."""

import base64

from pydantic import JsonValue

from storage.artifact_store import Store
from storage.manifest import Manifest
from storage.shard_files import ShardReader

REPORTS = ("report", "comparison", "domains", "promotion_gate")
"""Stages that write a page of their own, report.md."""

_LARGEST_PICTURE_BYTES = 120_000
"""The UI loads every artifact of a list in full, so each stays small."""


def stage_page(store: Store, manifest: Manifest, *, reused: bool) -> str:
    """The Markdown page of a stage: what was done, the main figures, the plots, where it lies."""
    built = f"built in {manifest.seconds:.1f} s, peak memory {_megabytes(manifest)}"
    lines = [
        f"# {manifest.ref.stage} `{manifest.ref.fingerprint[:12]}`",
        f"**{'Reused' if reused else 'Built'}**: {built}, {manifest.bytes / 1e6:,.1f} MB on disk.",
        "",
        *_table("figure", manifest.figures),
        "",
        *_table("configuration", manifest.config),
        "",
        *[f"Made from `{ref}` ({role})  " for role, ref in sorted(manifest.inputs.items())],
        "",
        *[
            f"![{name}]({picture})\n"
            for reader in store.readers(manifest.ref).values()
            for name, picture in pictures(reader).items()
        ],
        f"Files: `{store.location(manifest.ref)}`",
    ]
    return "\n".join(lines)


def _megabytes(manifest: Manifest) -> str:
    return f"{manifest.peak_memory_bytes / 1e6:,.0f} MB"


def _table(title: str, values: dict[str, JsonValue]) -> list[str]:
    rows = [f"| {name} | {_readable(value)} |" for name, value in sorted(_flat("", values))]
    return [f"| {title} | value |", "|---|---|", *rows] if rows else []


def _flat(prefix: str, values: dict[str, JsonValue]) -> list[tuple[str, JsonValue]]:
    pairs: list[tuple[str, JsonValue]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            pairs += _flat(f"{prefix}{name}.", value)
        elif not isinstance(value, list):
            pairs.append((f"{prefix}{name}", value))
    return pairs


def _readable(value: JsonValue) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def pictures(reader: ShardReader) -> dict[str, str]:
    """Plots that are small enough to show, by name, as data URIs."""
    plots = {name: reader.read(name) for name in reader.names() if name.endswith(".png")}
    return {
        name: f"data:image/png;base64,{base64.b64encode(data).decode()}"
        for name, data in plots.items()
        if len(data) <= _LARGEST_PICTURE_BYTES
    }
