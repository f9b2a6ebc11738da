"""Opens the place a URL names, and refuses those that cannot hold a store."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError, PermissionDeniedError
from obstore.store import LocalStore, ObjectStore, from_url

from storage.objects.local_files import make_folder
from storage.objects.object_root import ObjectRoot
from storage.objects.patience import patient
from storage.objects.store_errors import (
    MissingStore,
    StoreUnavailable,
    UnsupportedStore,
    translated,
)
from storage.objects.store_layout import CLOCK

TIMEOUT = "300s"
"""The longest that one request to a bucket may take."""

_WHY_PUT_IF_ABSENT = "without it concurrent runs would overwrite each other; use another one"


def open_root(url: str, *, create: bool) -> ObjectRoot:
    """Opens a plain path, `file://` or `s3://`.

    Args:
        url: Where the store is.
        create: Whether to make a local folder that is missing.

    Raises:
        UnsupportedStore: Another scheme, credentials in the URL, or a bucket without put-if-absent.
        MissingStore: The folder or bucket does not exist, or cannot, as part of the path is a file.
        StoreUnavailable: It does not answer.
        StoreReadOnly: A missing local folder cannot be made.
    """
    refuse_credentials(url)
    parts = urlsplit(url)
    if ":/" not in url:  # one slash is a slip of the pen, not a folder called "s3:"
        return _open_folder(Path(url), create=create)
    if parts.scheme == "file":
        return _open_folder(Path(unquote(parts.path)), create=create)
    if parts.scheme == "s3" and parts.netloc:
        return ObjectRoot(url.rstrip("/"), _probed_bucket(url), None)
    raise UnsupportedStore(f"{url}: unknown kind of store; use a folder, file:// or s3://bucket")


def refuse_credentials(url: str) -> None:
    """Refuses a URL that holds a secret, without repeating it: URLs are shown and logged.

    Raises:
        UnsupportedStore: It has a user, a password or parameters.
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/+([^/]*)(.*)", url, re.DOTALL)
    if found and found[1] != "file" and ("@" in found[2] or "?" in url):
        raise UnsupportedStore(
            f"{found[1]}://…: the store's address holds a user, a password or parameters, which "
            "would be shown wherever the address is; give it without, and credentials in the "
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )


def absolute_url(url: str) -> str:
    """The same place named from any working directory: a folder's whole path, a URL as it is."""
    return url if ":/" in url else str(Path(url).expanduser().absolute())


def _open_folder(path: Path, *, create: bool) -> ObjectRoot:
    folder = path.expanduser().absolute()
    if not create and not folder.exists():
        raise MissingStore(f"{folder}: no such folder; give the --store of a finished run")
    with translated(str(folder)):
        try:
            make_folder(folder)
        except FileExistsError as error:
            raise MissingStore(
                f"{folder}: part of this path is a file; name a folder for the store"
            ) from error
        return ObjectRoot(folder.as_uri(), LocalStore(folder, automatic_cleanup=True), folder)


@cache
def open_bucket(url: str) -> ObjectStore:
    """A bucket, or what is below a prefix of it, opened once per process; it is not asked yet."""
    return from_url(
        url,
        client_options={"connect_timeout": "10s", "timeout": TIMEOUT, "allow_http": True},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
    )


@cache
@patient
def _probed_bucket(url: str) -> ObjectStore:
    """A bucket that can hold a store; asked once per process."""
    with translated(url):
        objects = open_bucket(url)
        try:
            obstore.list_with_delimiter(objects)
        except (FileNotFoundError, GenericError) as error:
            if "404 Not Found" not in str(error):
                raise
            raise MissingStore(f"{url}: no such bucket; create it first") from error
        try:
            _refuse_without_put_if_absent(url, objects)
        except PermissionDeniedError:  # good enough to read from
            return objects
    return objects


def _refuse_without_put_if_absent(url: str, objects: ObjectStore) -> None:
    """Some servers accept the condition and ignore it, which would lose artifacts."""
    key = f"{CLOCK}/{uuid4().hex}"
    try:
        obstore.put(objects, key, b"first", mode="create")
    except AlreadyExistsError as error:  # the key is ours alone: S3's 409 asks for another try
        raise StoreUnavailable(f"{url}: the store was busy (409); run again") from error
    except GenericError as error:
        if not re.search(r"status code: (400|501)\b", str(error)):
            raise
        raise UnsupportedStore(
            f"{url}: this server refuses put-if-absent (If-None-Match: *); {_WHY_PUT_IF_ABSENT}"
        ) from error
    try:
        obstore.put(objects, key, b"second", mode="create")
    except AlreadyExistsError:
        return
    finally:
        obstore.delete(objects, key)
    raise UnsupportedStore(
        f"{url}: this server ignores put-if-absent (If-None-Match: *); {_WHY_PUT_IF_ABSENT}"
    )
