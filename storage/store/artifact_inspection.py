"""Artifacts as people look at them: found by the short names they type, and compared."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_store import Store
from storage.store.production import read_decisions

SERVED_DIGITS = 8


def find_artifact(store: Store, text: str) -> ArtifactRef:
    """The one artifact that `stage/prefix`, `prefix` (of a fingerprint) or `stage` names.

    Raises:
        MissingArtifact: None fits, or several do; the message lists them.
    """
    stage, slash, prefix = text.rpartition("/")
    found = [
        ref
        for ref in store.artifacts()
        if (ref.stage == text and not slash)
        or (stage in ("", ref.stage) and ref.fingerprint.startswith(prefix))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise MissingArtifact(f"{store.url}: no artifact {text}; `memdec artifacts ls` lists them")
    names = ", ".join(str(ref) for ref in found[:8])
    raise MissingArtifact(f"{text} may be any of {len(found)} artifacts ({names}); give more of it")


def served_fingerprint(parts: Sequence[ArtifactRef]) -> str:
    """What an answer says of the models behind it: the beginnings of base and memories."""
    return "-".join(ref.fingerprint[:SERVED_DIGITS] for ref in parts)


def find_named(store: Store, text: str) -> list[ArtifactRef]:
    """What a `served_fingerprint`, `PIPELINE:NUMBER` of a decision, or an artifact's name means.

    Raises:
        MissingArtifact: There is no such thing in the store.
    """
    pipeline, colon, number = text.partition(":")
    if colon:
        decisions = read_decisions(store, pipeline)
        if not number.isdecimal() or not 1 <= int(number) <= len(decisions):
            raise MissingArtifact(
                f"{store.url}: {text} is no release; {pipeline} has {len(decisions)} decisions, "
                "see `memdec history`"
            )
        return list(vars(decisions[int(number) - 1].release).values())
    if re.fullmatch(rf"[0-9a-f]{{{SERVED_DIGITS}}}(-[0-9a-f]{{{SERVED_DIGITS}}})+", text):
        return [find_artifact(store, part) for part in text.split("-")]
    return [find_artifact(store, text)]


class Change(NamedTuple):
    """One difference; a side that lacks it is None."""

    name: str
    before: JsonValue
    after: JsonValue


def diff(store: Store, before: ArtifactRef, after: ArtifactRef) -> dict[str, list[Change]]:
    """Compares two artifacts by their manifests: how they were made, and what came out.

    Returns:
        Lists sorted by name: `config`, identity values by dotted path; `inputs`, artifacts by
        role; `figures` by dotted path; `files`, SHA-256 by `<shard>/<path>`.

    Raises:
        MissingArtifact: One of them does not exist.
    """
    old, new = store.require(before), store.require(after)
    return {
        "config": _changes(_flat(old.config), _flat(new.config)),
        "inputs": _changes(_inputs(old), _inputs(new)),
        "figures": _changes(_flat(old.figures), _flat(new.figures)),
        "files": _changes(_files(old), _files(new)),
    }


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
