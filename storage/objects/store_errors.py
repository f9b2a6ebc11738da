"""What can go wrong with a store, as errors whose message names the remedy."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import (
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)

FORBIDDEN = "403 Forbidden"
"""In what obstore says where it has no error of its own for that, as when it lists."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_INSTANCE_METADATA = "/latest/api/token"
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
_REFUSED = f"the store refuses the credentials; {_CREDENTIALS}"
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


class StorageError(Exception):
    """Something is wrong with a store or an artifact; the message says what, where, what to do."""


class StoreUnavailable(StorageError):
    """The store cannot be reached or answered with an input/output error; worth a retry."""


class MissingStore(StorageError):
    """There is no store where the URL points, and none can be made there."""


class StoreForbidden(StorageError):
    """The store asks for credentials that we do not have."""


class UnsupportedStore(StorageError):
    """The URL names no kind of store we know, or one that lacks put-if-absent."""


class StoreReadOnly(StorageError):
    """The store refuses writes."""


class StoreFull(StorageError):
    """The store has no room left, a quota is used up or a file would be too large."""


class MissingArtifact(StorageError):
    """An artifact, or a file of it, is not in the store."""


class ArtifactInUse(StorageError):
    """An artifact cannot be deleted while a run builds it."""


class DamagedArtifact(StorageError):
    """Bytes in the store are not the bytes that were written."""


class NewerFormat(StorageError):
    """A record was written by a newer memdec."""


class MissingSource(StorageError):
    """A file or folder outside the store, named by the configuration, does not exist."""


class SourceError(StorageError):
    """Documents cannot be read, or an entry names none; the message says which and the remedy."""


class UnsafeName(StorageError):
    """A file or shard name that could leave its folder, or that not every store can hold."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turns errors of the operating system and of obstore into ours.

    `FileNotFoundError` and `FileExistsError` pass: they are answers, not failures.

    Args:
        where: What was touched (URL, key or folder), for the message.

    Raises:
        StorageError: The subclass that fits, with the original as its cause.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except PermissionDeniedError as error:
        raise _from_errno(errno.EACCES, where, error) from error
    except UnauthenticatedError as error:
        raise StoreForbidden(f"{where}: {_REFUSED}") from error
    except NotSupportedError as error:
        raise UnsupportedStore(f"{where}: the store cannot do this: {_headline(error)}") from error
    except OSError as error:
        raise _from_errno(error.errno or 0, where, error) from error
    except BaseError as error:
        raise _from_text(where, error) from error


def _from_text(where: str, error: BaseError) -> StorageError:
    """Of errors that obstore tells apart in their text alone."""
    said = str(error)
    if _INSTANCE_METADATA in said:  # the last place where obstore looks for credentials
        return StoreForbidden(f"{where}: no credentials were found; {_CREDENTIALS}")
    if FORBIDDEN in said:
        return StoreForbidden(f"{where}: {_REFUSED}")
    number = re.search(r"\(os error (\d+)\)", said)
    return _from_errno(int(number[1]) if number else 0, where, error)


def _from_errno(number: int, where: str, error: Exception) -> StorageError:
    if number in _FULL:
        return StoreFull(
            f"{where}: no room left in the store ({_headline(error)}); free some space, "
            "for example with `memdec artifacts gc`, and run again: finished shards are kept"
        )
    if number in _FORBIDDEN:
        return StoreReadOnly(
            f"{where}: the store cannot be written ({_headline(error)}); "
            "make it writable or choose another with --store"
        )
    return StoreUnavailable(
        f"{where}: the store does not answer ({_headline(error)}); "
        "check that the disk is mounted, or the address and the network, and run again"
    )


def _headline(error: Exception) -> str:
    """First line: obstore appends a page of debug output."""
    return (str(error) or type(error).__name__).splitlines()[0]
