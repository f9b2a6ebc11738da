"""Opens plain, gzip and Zstandard files alike, and none that is damaged.

A damaged file may decode well for a long way, and half a file must not silently become the
corpus; so a compressed file is decoded to its end once, in bounded memory, before its first byte
is used. What decides is how a file starts, not how it is called.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

_GZIP = b"\x1f\x8b"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM = b"\xef\xbb\xbf"
_CHUNK_BYTES = 1 << 20
_ZSTANDARD_CHUNK_BYTES = 1 << 12  # expands to 128 MiB at the very most


class DamagedFile(Exception):
    """The file cannot be read to its end; the message says why."""


@contextmanager
def open_sound(path: Path) -> Iterator[BinaryIO]:
    """Opens a file of UTF-8 text, decompressed, past a byte order mark.

    Raises:
        DamagedFile: It is cut, corrupt, followed by something else, or UTF-16.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_GZIP):
        check_gzip(path)
    elif magic == _ZSTANDARD:
        check_zstandard(path)
    with _open_decoded(path, magic) as stream:
        start = stream.read(3)
    if start.startswith(_UTF16):
        raise DamagedFile("it is UTF-16; save it as UTF-8")
    with _open_decoded(path, magic) as stream:
        if start == _UTF8_BOM:
            stream.read(3)
        yield stream


def check_gzip(path: Path) -> None:
    """Decodes every member of a gzip file and compares the checksums.

    Raises:
        DamagedFile: Something in it is wrong.
    """
    try:
        with gzip.open(path, "rb") as stream:
            while stream.read(_CHUNK_BYTES):
                pass
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedFile(f"gzip: {error}") from error


def check_zstandard(path: Path) -> None:
    """Decodes every frame of a Zstandard file; a stream reader would not notice a cut one.

    Raises:
        DamagedFile: Something in it is wrong.
    """
    decompressor = zstandard.ZstdDecompressor()
    try:
        with path.open("rb") as file:
            frame = decompressor.decompressobj()
            while chunk := file.read(_ZSTANDARD_CHUNK_BYTES):
                while chunk:
                    if frame.eof:
                        frame = decompressor.decompressobj()
                    frame.decompress(chunk)
                    chunk = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise DamagedFile(f"zstd: {error}") from error
    if not frame.eof:
        raise DamagedFile("zstd: the file ends in the middle of a frame")


def _open_decoded(path: Path, magic: bytes) -> BinaryIO:
    if magic.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if magic != _ZSTANDARD:
        return path.open("rb")
    reader = zstandard.ZstdDecompressor().stream_reader(
        path.open("rb"), read_across_frames=True, closefd=True
    )
    return io.BufferedReader(reader)
