"""One folder or bucket as a flat space of keys, with put-if-absent.

Everything above this module speaks in keys (`artifacts/tokens/3f…/manifest.json`) and does not
know whether the store is a folder or S3.
"""

import contextlib
import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from storage.local_files import create_file, make_folder, replace_file
from storage.store_errors import StoreUnavailable, UnsupportedStore, translated


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

    @classmethod
    def open(cls, url: str) -> "ObjectRoot":
        """Opens a plain path, `file://` or `s3://`; creates a local folder if it is missing.

        Raises:
            UnsupportedStore: Another scheme, or a bucket without put-if-absent.
            StoreUnavailable: It does not answer.
            StoreReadOnly: A missing local folder cannot be made.
        """
        scheme = urlsplit(url).scheme if "://" in url else "file"
        if scheme == "file":
            return cls._open_folder(
                Path(unquote(urlsplit(url).path)) if "://" in url else Path(url)
            )
        if scheme == "s3":
            return cls._open_bucket(url)
        raise UnsupportedStore(f"{url}: unknown kind of store; use a folder, file:// or s3://")

    @classmethod
    def _open_folder(cls, path: Path) -> "ObjectRoot":
        folder = path.expanduser().absolute()
        with translated(str(folder)):
            try:
                make_folder(folder)
            except FileExistsError as error:
                raise StoreUnavailable(
                    f"{folder}: part of this path is a file; name a folder for the store"
                ) from error
            return cls(folder.as_uri(), LocalStore(folder), folder)

    @classmethod
    def _open_bucket(cls, url: str) -> "ObjectRoot":
        with translated(url):
            objects = from_url(
                url,
                client_options={"connect_timeout": "10s", "timeout": "300s", "allow_http": True},
                retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
            )
            root = cls(url.rstrip("/"), objects, None)
            try:
                obstore.list_with_delimiter(objects)
            except FileNotFoundError as error:
                raise StoreUnavailable(f"{url}: no such bucket; create it first") from error
        return root

    def read(self, key: str) -> bytes | None:
        """All bytes of an object, None if there is none."""
        with translated(f"{self.url}/{key}"):
            try:
                return bytes(obstore.get(self._objects, key).bytes())
            except FileNotFoundError:
                return None

    def create(self, key: str, data: bytes) -> bool:
        """Creates an object unless it exists.

        `data` must hold something unique to the caller (an attempt id): a put that was retried
        after its answer got lost is told from another's by its bytes.

        Returns:
            Whether the object is this caller's.
        """
        with translated(f"{self.url}/{key}"):
            if self.folder:
                return create_file(self.folder / key, data)
            try:
                obstore.put(self._objects, key, data, mode="create")
            except AlreadyExistsError:
                return self.read(key) == data
            return True

    def replace(self, key: str, data: bytes) -> None:
        """Puts an object, over another if there is one."""
        with translated(f"{self.url}/{key}"):
            if self.folder:
                replace_file(self.folder / key, data)
            else:
                obstore.put(self._objects, key, data)

    def scan(self, prefix: str) -> list[StoredObject]:
        """Every object below `prefix`, sorted by key."""
        with translated(f"{self.url}/{prefix}"):
            found = [
                StoredObject(meta["path"], meta["size"], meta["last_modified"].timestamp())
                for batch in obstore.list(self._objects, prefix)
                for meta in batch
            ]
        return sorted(found)

    def folders(self, prefix: str) -> list[str]:
        """Names directly below `prefix` that have objects below them, sorted."""
        with translated(f"{self.url}/{prefix}"):
            listing = obstore.list_with_delimiter(self._objects, prefix)
        return sorted(path.rsplit("/", 1)[-1] for path in listing["common_prefixes"])

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
        key = f"clock/{uuid4().hex}"
        self.replace(key, b"")
        made = self.head(key)
        self.delete([key])
        if made is None:
            raise StoreUnavailable(f"{self.url}/{key}: vanished right after it was written")
        return made.modified

    def upload(self, source: Path, key: str) -> None:
        """Copies a local file to an object (object stores only)."""
        with translated(f"{self.url}/{key}"):
            obstore.put(self._objects, key, source)

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
            with translated(f"{self.url}/{key}"), contextlib.suppress(FileNotFoundError):
                obstore.delete(self._objects, key)

    def delete_tree(self, prefix: str) -> None:
        """Removes everything below `prefix`, with leftovers of crashes and empty folders."""
        if self.folder:
            with translated(f"{self.url}/{prefix}"), contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.folder / prefix)
        else:
            self.delete(entry.key for entry in self.scan(prefix))
