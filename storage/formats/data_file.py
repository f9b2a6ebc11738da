"""What a file of data says of itself: whose it is, and what every column holds, in which unit.

The words go into the file, where Arrow and Zarr have a place for them, and into docs/data.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from storage.objects.artifact_ref import ArtifactRef


class ShardFolder(Protocol):
    """Where a writer puts the files of a shard; a `ShardWriter` is one."""

    @property
    def folder(self) -> Path:
        """A local folder."""

    @property
    def ref(self) -> ArtifactRef:
        """The artifact that the shard is of."""


class Column(NamedTuple):
    """One column of a table, or array of a group.

    Attributes:
        name: With a star for the number of a setting, where there is a column per setting.
        type: As Arrow has it.
        words: What it holds.
        units: Of its values; empty where they have none.
        nullable: Whether a value may be missing.
    """

    name: str
    type: pa.DataType
    words: str
    units: str = ""
    nullable: bool = True

    def metadata(self) -> dict[str, str]:
        """What the file says of this column."""
        units = {"units": self.units} if self.units else {}
        return {"description": self.words} | units


class DataFile(NamedTuple):
    """One kind of file.

    Attributes:
        name: The file's, with a star or `<split>` for what differs.
        stages: Names of the stages that leave it.
        words: What it holds: one sentence.
        columns: In their order; none of a file without columns.
    """

    name: str
    stages: tuple[str, ...]
    words: str
    columns: tuple[Column, ...] = ()

    def metadata(self, ref: ArtifactRef | None) -> dict[str, str]:
        """What the file says of itself.

        Args:
            ref: The artifact it belongs to, if to any.
        """
        artifact = {"artifact": f"{ref.stage}/{ref.fingerprint}"} if ref else {}
        return artifact | {"description": self.words}

    def schema(self, ref: ArtifactRef | None, settings: int = 1) -> pa.Schema:
        """The columns as Arrow has them, with their words and the file's.

        Args:
            ref: The artifact the file belongs to, if to any.
            settings: How many columns there are of each with a star.
        """
        fields = [
            pa.field(name, column.type, column.nullable, column.metadata())
            for column in self.columns
            for name in _names(column.name, settings)
        ]
        return pa.schema(fields, self.metadata(ref))


def _names(name: str, settings: int) -> Iterator[str]:
    """The columns that a name stands for."""
    if "*" not in name:
        yield name
    else:
        yield from (name.replace("*", str(number)) for number in range(settings))
