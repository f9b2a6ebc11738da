"""In what two artifacts differ: how they were made, and what came out."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store


class Change(NamedTuple):
    """One difference; a side that lacks it is None."""

    name: str
    before: JsonValue
    after: JsonValue


class ArtifactDiff(NamedTuple):
    """Differences of two artifacts, each list sorted by name.

    Attributes:
        config: Identity values by dotted path.
        inputs: Input artifacts by role.
        figures: Figures by dotted path.
        files: SHA-256 by `<shard>/<path>`.
    """

    config: list[Change]
    inputs: list[Change]
    figures: list[Change]
    files: list[Change]


def diff(store: Store, before: ArtifactRef, after: ArtifactRef) -> ArtifactDiff:
    """Compares two artifacts by their manifests.

    Raises:
        MissingArtifact: One of them does not exist.
    """
    old, new = store.require(before), store.require(after)
    return ArtifactDiff(
        config=_changes(_flat(old.config), _flat(new.config)),
        inputs=_changes(_inputs(old), _inputs(new)),
        figures=_changes(_flat(old.figures), _flat(new.figures)),
        files=_changes(_files(old), _files(new)),
    )


def _changes(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> list[Change]:
    missing = object()
    return [
        Change(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name, missing) != new.get(name, missing)
    ]


def _flat(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Leaves by dotted path; empty dicts and all lists are leaves."""
    if not isinstance(value, dict) or (path and not value):
        return {path: value}
    leaves: dict[str, JsonValue] = {}
    for key, item in value.items():
        leaves |= _flat(item, f"{path}.{key}" if path else key)
    return leaves


def _inputs(manifest: Manifest) -> dict[str, JsonValue]:
    return {role: f"{ref.stage}/{ref.fingerprint}" for role, ref in manifest.inputs.items()}


def _files(manifest: Manifest) -> dict[str, JsonValue]:
    return {
        f"{shard.name}/{file.path}": file.sha256
        for shard in manifest.shards
        for file in shard.files
    }
