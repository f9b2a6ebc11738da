"""Documents in a bucket: listed with their entity tags, and fetched as they were listed."""

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import obstore
from obstore.exceptions import GenericError, PermissionDeniedError, PreconditionError

from storage.objects.patience import patient
from storage.objects.root_urls import open_bucket, refuse_credentials
from storage.objects.store_errors import FORBIDDEN, SourceError, UnsupportedStore, translated
from storage.objects.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions, ObjectMeta  # there for type checkers alone

BUCKET = "s3://"


class BucketObject(NamedTuple):
    """One object of a bucket.

    Attributes:
        bucket: The bucket, `s3://name`.
        key: What it is called there.
        e_tag: Its entity tag, another one whenever its bytes are others.
        size: In bytes.
    """

    bucket: str
    key: str
    e_tag: str
    size: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of its name, from the bucket on."""
        return (self.bucket, *self.key.split("/"))

    @property
    def path(self) -> PurePosixPath:
        """Its key as a path, whose end tells the format."""
        return PurePosixPath(self.key)


class ListedEntry(NamedTuple):
    """What an entry names.

    Attributes:
        objects: Objects of all kinds, none hidden, each with the number of its last parts that
            lie within the entry.
        is_prefix: Whether the entry is a prefix, and not one object's address.
    """

    objects: dict[BucketObject, int]
    is_prefix: bool


def is_bucket(entry: str) -> bool:
    """Whether an entry names something in a bucket."""
    return entry.startswith(BUCKET)


@patient
def list_entry(entry: str, place: str) -> ListedEntry:
    """Lists the object that an entry names, or all below the prefix that it is.

    Args:
        entry: `s3://bucket/key` or `s3://bucket/prefix`.
        place: The entry's place in the configuration, for messages.

    Raises:
        SourceError: There is nothing of that name, or it may not be listed.
        StorageError: The bucket does not answer.
    """
    try:
        refuse_credentials(entry)
    except UnsupportedStore as error:
        raise SourceError(f"{place}: {error}") from error
    name, _, key = entry.removeprefix(BUCKET).partition("/")
    if not name or glob.has_magic(key):
        raise SourceError(
            f"{place}: {entry!r} is not the address of documents; give s3://bucket/key of one "
            "object, or s3://bucket/prefix of all below it"
        )
    bucket, prefix = BUCKET + name, key.strip("/")
    with _answers(f"{place}: {entry}"):
        objects = open_bucket(bucket)
        metas = [meta for batch in obstore.list(objects, prefix or None) for meta in batch]
        if prefix and not metas:
            return ListedEntry({_object(bucket, obstore.head(objects, prefix)): 1}, is_prefix=False)
    within = {_object(bucket, meta): _parts_after(prefix, meta["path"]) for meta in metas}
    shown = {each: len(parts) for each, parts in within.items() if not _is_hidden(each, parts)}
    return ListedEntry(shown, is_prefix=True)


def _object(bucket: str, meta: "ObjectMeta") -> BucketObject:
    return BucketObject(bucket, meta["path"], meta["e_tag"] or "", meta["size"])


def _parts_after(prefix: str, key: str) -> list[str]:
    return key.removeprefix(prefix).lstrip("/").split("/")


def _is_hidden(each: BucketObject, parts: list[str]) -> bool:
    """Whether a file of that name would not be read, or it only stands for a folder."""
    stands_for_folder = not each.size and not each.path.suffix
    return stands_for_folder or any(part.startswith(".") for part in parts)


@contextmanager
def fetched(found: BucketObject) -> Iterator[Path]:
    """A temporary copy of an object, whose name has the same end.

    Raises:
        SourceError: It is another one than was listed, or gone, or may not be read.
        StorageError: The bucket does not answer.
        OSError: There is no room for it.
    """
    with temporary_folder() as folder:
        copy = folder / f"object{''.join(found.path.suffixes[-2:])}"
        _copy(found, copy)
        yield copy


@patient
def _copy(found: BucketObject, copy: Path) -> None:
    with copy.open("wb") as file:
        for chunk in _content(found):
            file.write(chunk)


def _content(found: BucketObject) -> Iterator["Bytes"]:
    with _answers(f"{found.bucket}/{found.key}"):
        unchanged: GetOptions = {"if_match": found.e_tag}
        yield from obstore.get(open_bucket(found.bucket), found.key, options=unchanged)


@contextmanager
def _answers(where: str) -> Iterator[None]:
    """Turns what a bucket says of documents into our errors."""
    with translated(where):
        try:
            yield
        except PreconditionError as error:
            raise SourceError(
                f"{where}: was replaced since it was listed; run again, and let nothing write to "
                "it meanwhile"
            ) from error
        except (FileNotFoundError, PermissionDeniedError, GenericError) as error:
            if isinstance(error, FileNotFoundError) or "404 Not Found" in str(error):
                raise SourceError(f"{where}: there is no such object, prefix or bucket") from error
            if isinstance(error, PermissionDeniedError) or FORBIDDEN in str(error):
                raise SourceError(
                    f"{where}: the credentials do not allow to list and read it; ask for "
                    "s3:ListBucket and s3:GetObject"
                ) from error
            raise
