"""The records that say what an artifact is: its manifest and its shards' entries."""

import json
import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, JsonValue, ValidationError

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact, NewerFormat, UnsafeName

MANIFEST_VERSION = 1

_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/\\#%\x00-\x1f\x7f]+")
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Record = TypeVar("Record", bound=BaseModel)


def safe_path(path: str) -> str:
    """Returns `path` if it is relative, stays in its folder and every kind of store can hold it.

    Raises:
        UnsafeName: It is absolute, has `..` or empty parts, or characters that stores escape.
    """
    if not all(_SEGMENT.fullmatch(part) for part in path.split("/")):
        raise UnsafeName(
            f"file name {path!r}: use a relative path without '..', '\\', '#', '%' "
            "and control characters"
        )
    return path


def safe_name(name: str) -> str:
    """Returns `name` if it can name a shard.

    Raises:
        UnsafeName: It is not made of letters, digits, dots, dashes and underscores.
    """
    if not _SHARD.fullmatch(name):
        raise UnsafeName(
            f"name {name!r}: use letters, digits, '.', '-' and '_', a letter or digit first"
        )
    return name


class FileEntry(BaseModel, frozen=True, extra="forbid"):
    """One file of a shard: its path in the shard's folder, its size in bytes, its SHA-256."""

    path: Annotated[str, AfterValidator(safe_path)]
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ShardEntry(BaseModel, frozen=True, extra="forbid"):
    """A finished shard: which attempt wrote it, its files, its figures and what it took."""

    name: Annotated[str, AfterValidator(safe_name)]
    attempt: str = Field(pattern=r"^[0-9a-f]{32}$")
    files: list[FileEntry]
    meta: dict[str, JsonValue]
    seconds: float
    peak_memory_bytes: int


class ManifestDraft(BaseModel, frozen=True, extra="forbid"):
    """What a builder knows when all shards are finished; `Store.seal` makes it a manifest."""

    format_version: int
    config: dict[str, JsonValue]
    inputs: dict[str, ArtifactRef]
    shards: list[ShardEntry]
    figures: dict[str, JsonValue]
    software: dict[str, str]
    git_commit: str | None = None
    flow_run_id: str | None = None


class Manifest(ManifestDraft):
    """What an artifact is and how it came to be; an artifact without one does not exist."""

    manifest_version: int = MANIFEST_VERSION
    ref: ArtifactRef
    bytes: int
    seconds: float
    peak_memory_bytes: int
    created: str


def parse_manifest(data: bytes, where: str) -> Manifest:
    """Reads a manifest.

    Raises:
        NewerFormat: Written by a newer memdec.
        DamagedArtifact: Not a manifest.
    """
    try:
        version = json.loads(data)["manifest_version"]
        newer = version > MANIFEST_VERSION
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(where, error) from error
    if newer:
        raise NewerFormat(
            f"{where}: manifest version {version}, this memdec reads up to {MANIFEST_VERSION}; "
            "upgrade memdec or use another store"
        )
    return parse_record(Manifest, data, where)


def parse_record(model: type[Record], data: bytes, where: str) -> Record:
    """Reads any record of the store.

    Raises:
        DamagedArtifact: The bytes are not such a record.
    """
    try:
        return model.model_validate_json(data)
    except (ValidationError, UnsafeName) as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> DamagedArtifact:
    return DamagedArtifact(
        f"{where}: not a record of memdec ({str(error).splitlines()[0]}); "
        "rebuild the artifact with `memdec run --force` for its stage"
    )
