"""Which files of a store say what they are."""

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import PurePath

import polars as pl
import pyarrow.parquet as pq
import zarr

from storage.data_reference import FILES, TABLES
from storage.formats.data_file import DataFile
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader


def undescribed(store: Store) -> list[str]:
    """Files of sealed artifacts that docs/data.md does not list, or that say something else."""
    found = set()
    for ref in store.artifacts():
        for shard, reader in store.readers(ref).items():
            for name in {PurePath(path).parts[0] for path in reader.names()}:
                found |= {f"{ref} {shard}/{name}: {what}" for what in _missing(reader, ref, name)}
    return sorted(found)


def _missing(reader: ShardReader, ref: ArtifactRef, name: str) -> Iterator[str]:
    if name.endswith((".parquet", ".zarr")):
        kinds = [each for each in TABLES if ref.stage in each.stages and _named(name, each)]
        if len(kinds) != 1:
            yield f"listed {len(kinds)} times"
        else:
            yield from _silent(reader, ref, name, kinds[0])
    elif not any(ref.stage in each.stages and _named(name, each) for each in FILES):
        yield "not listed"


def _named(name: str, kind: DataFile) -> bool:
    return fnmatch(name, kind.name.replace("<split>", "*"))


def _silent(reader: ShardReader, ref: ArtifactRef, name: str, kind: DataFile) -> Iterator[str]:
    """What the file does not say of itself that its kind does."""
    if name.endswith(".zarr"):
        group = zarr.open_group(reader.folder() / name, mode="r")
        said, columns = dict(group.attrs), {each: dict(group[each].attrs) for each in group}
    else:
        path = reader.local_path(name)
        said = pl.read_parquet_metadata(path)
        columns = {each.name: _words(each.metadata) for each in pq.read_schema(path)}
    if said.get("artifact") != f"{ref.stage}/{ref.fingerprint}":
        yield "not whose it is"
    if said.get("description") != kind.words:
        yield "not what it is"
    for column, metadata in columns.items():
        if metadata not in [e.metadata() for e in kind.columns if fnmatch(column, e.name)]:
            yield f"{column}: {metadata}"


def _words(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}
