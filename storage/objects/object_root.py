"""One folder or bucket as a flat space of keys, with put-if-absent.

Everything above this module speaks in keys (`artifacts/tokens/3f…/manifest.json`) and does not
know whether the store is a folder or S3.
"""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from storage.objects.local_files import create_file, make_folder, replace_file
from storage.objects.patience import patient
from storage.objects.store_errors import StoreFull, StoreUnavailable, translated
from storage.objects.store_layout import CLOCK, TRASH, reserved_key


class StoredObject(NamedTuple):
    """One entry of a listing; `modified` in seconds since 1970 by the store's clock."""

    key: str
    size: int
    modified: float


class ObjectRoot:
    """The objects below one URL.

    Args:
        url: Absolute URL, for messages and to open it again elsewhere.
        objects: The obstore store, rooted at `url`.
        folder: The same place as a local folder, or None for an object store.
    """

    def __init__(self, url: str, objects: ObjectStore, folder: Path | None) -> None:
        self.url = url
        self.folder = folder
        self._objects = objects

    @patient
    def read(self, key: str) -> bytes | None:
        """All bytes of an object, None if there is none."""
        with translated(f"{self.url}/{key}"):
            return self._read(key)

    def _read(self, key: str) -> bytes | None:
        try:
            return bytes(obstore.get(self._objects, key).bytes())
        except FileNotFoundError:
            return None

    def create(self, key: str, data: bytes) -> bool:
        """Creates an object unless it exists.

        `data` must hold something unique to the caller (an attempt id): a put that was repeated
        after its answer got lost is told from another's by its bytes.

        Returns:
            Whether the object is this caller's; False where another's was seen there.

        Raises:
            StoreUnavailable: It was refused again and again, and no object is there.
        """
        if self.folder is None:
            return self._create_object(key, data)
        with translated(f"{self.url}/{key}"):
            return create_file(self.folder / key, data)

    @patient
    def _create_object(self, key: str, data: bytes) -> bool:
        """As `create`; S3 refuses (409) while another request for the key is on its way.

        obstore tells that as it tells "exists".
        """
        with translated(f"{self.url}/{key}"):
            try:
                obstore.put(self._objects, key, data, mode="create")
            except AlreadyExistsError:
                existing = self._read(key)
                if existing is None:
                    raise StoreUnavailable(
                        f"{self.url}/{key}: refused by the store, though there is no such object; "
                        "run again: what is finished is kept"
                    ) from None
                return existing == data
            return True

    def create_new(self, key: str, data: bytes) -> None:
        """Creates an object whose key is the caller's alone.

        Raises:
            StoreUnavailable: It was refused.
        """
        if not self.create(key, data):
            raise StoreUnavailable(f"{self.url}/{key}: another object is there; run again")

    def append(self, folder: str, data: bytes) -> None:
        """Creates the next of a folder's numbered objects; of several racers each gets a place."""
        for key in numbered_keys(folder, self.scan(folder)):
            if self.create(key, data):
                return

    @patient
    def replace(self, key: str, data: bytes) -> None:
        """Puts an object, over another if there is one."""
        with translated(f"{self.url}/{key}"):
            if self.folder:
                replace_file(self.folder / key, data)
            else:
                obstore.put(self._objects, key, data)

    def refresh(self, key: str, data: bytes) -> bool:
        """Makes an object new again if it still holds `data`; returns whether it did."""
        if self.read(key) != data:
            return False
        if self.folder is None:
            self.replace(key, data)
            return True
        with translated(f"{self.url}/{key}"):
            try:
                os.utime(self.folder / key)  # needs no room, and brings nothing deleted back
            except FileNotFoundError:
                return False
        return True

    @patient
    def scan(self, prefix: str) -> list[StoredObject]:
        """Every object below `prefix`, sorted by key."""
        with translated(f"{self.url}/{prefix}"):
            found = [
                StoredObject(meta["path"], meta["size"], meta["last_modified"].timestamp())
                for batch in obstore.list(self._objects, prefix)
                for meta in batch
            ]
        return sorted(found)

    @patient
    def folders(self, prefix: str) -> list[str]:
        """Names directly below `prefix` that have objects below them, sorted."""
        with translated(f"{self.url}/{prefix}"):
            listing = obstore.list_with_delimiter(self._objects, prefix)
        return sorted(path.rsplit("/", 1)[-1] for path in listing["common_prefixes"])

    @patient
    def head(self, key: str) -> StoredObject | None:
        """Size and age of one object, None if there is none."""
        with translated(f"{self.url}/{key}"):
            try:
                meta = obstore.head(self._objects, key)
            except FileNotFoundError:
                return None
        return StoredObject(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def now(self) -> float:
        """The store's clock in seconds, read from an object made for that.

        The clocks of hosts differ; ages are only ever compared within the store's own.
        """
        key = f"{CLOCK}/{uuid4().hex}"
        try:
            self.replace(key, b"")
        except StoreFull:
            if self.folder is None:
                raise
            return time.time()  # good enough to free space by
        made = self.head(key)
        self.delete([key])
        if made is None:
            raise StoreUnavailable(f"{self.url}/{key}: vanished right after it was written")
        return made.modified

    @patient
    def upload(self, source: Path, key: str) -> None:
        """Copies a local file to an object (object stores only)."""
        with translated(f"{self.url}/{key}"):
            obstore.put(self._objects, key, source)

    @patient
    def download(self, key: str, target: Path) -> None:
        """Copies an object to a local file, a piece at a time.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with translated(f"{self.url}/{key}"), target.open("wb") as file:
            for piece in obstore.get(self._objects, key).stream():
                file.write(piece)

    def delete(self, keys: Iterable[str]) -> None:
        """Removes objects; those that are gone already are fine."""
        for key in keys:
            self._delete(key)

    @patient
    def _delete(self, key: str) -> None:
        with translated(f"{self.url}/{key}"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._objects, key)

    def delete_tree(self, prefix: str) -> None:
        """Removes everything below `prefix`, with leftovers of crashes and empty folders."""
        if self.folder is None:
            self.delete(entry.key for entry in self.scan(prefix))
            return
        doomed = self.folder / prefix
        with translated(f"{self.url}/{prefix}"), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._set_aside(doomed))
        for parent in doomed.relative_to(self.folder).parents[:-1]:
            with contextlib.suppress(OSError):
                (self.folder / parent).rmdir()

    def _set_aside(self, doomed: Path) -> Path:
        """Moves a folder away as a whole, so that whoever still writes there notices at once."""
        assert self.folder is not None
        aside = self.folder / TRASH / uuid4().hex
        try:
            make_folder(aside.parent)
        except OSError:  # a full disk may have no room for a new folder
            return doomed
        return doomed.rename(aside)

    def reserve(self, prefix: str) -> bool:
        """Takes a place for new objects; of all who ever ask for it, one is told yes."""
        with translated(f"{self.url}/{prefix}"):
            if self.folder is None:
                return self.create(reserved_key(prefix), uuid4().bytes)
            make_folder((self.folder / prefix).parent)
            try:
                (self.folder / prefix).mkdir()
            except FileExistsError:
                return False
            return True

    @patient
    def digest(self, key: str) -> tuple[int, str] | None:
        """Size in bytes and SHA-256 of an object, read a piece at a time; None if there is none."""
        digest, size = sha256(), 0
        with translated(f"{self.url}/{key}"):
            try:
                for piece in obstore.get(self._objects, key).stream():
                    digest.update(piece)
                    size += len(piece)
            except FileNotFoundError:
                return None
        return size, digest.hexdigest()


def numbered_keys(folder: str, listed: Sequence[StoredObject]) -> Iterator[str]:
    """The keys `<folder>/<number>.json` that come after those listed, from 1 on."""
    last = listed[-1].key.rsplit("/", 1)[-1].removesuffix(".json") if listed else "0"
    return (f"{folder}/{number:08d}.json" for number in itertools.count(int(last) + 1))
