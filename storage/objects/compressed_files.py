"""Opens plain, gzip and Zstandard files alike, and none that is damaged unless told to.

A damaged file may decode well for a long way, and half a file must not silently become the
corpus; so a compressed file is decoded to its end once, in bounded memory, before its first byte
is used. What decides is how a file starts, not how it is called.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from storage.objects.damaged_files import Compression, DamagedFile, find_damage, whole_lines

_GZIP = b"\x1f\x8b"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM = b"\xef\xbb\xbf"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


@contextmanager
def open_sound(path: Path, *, keep: bool = False) -> Iterator[BinaryIO]:
    """Opens a file of UTF-8 text, decompressed, past a byte order mark.

    Args:
        path: The file.
        keep: Of a damaged compressed file give the whole lines before the damage, and raise after
            them, not before.

    Raises:
        DamagedFile: It is cut, corrupt, followed by something else, or UTF-16.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    opened, damage = partial(_open_decoded, path, magic), None
    if compression := _compression(magic):
        damage = find_damage(path, compression)
    if damage and not (keep and damage.sound_bytes):
        raise damage
    if compression and damage:
        opened = partial(whole_lines, path, compression, damage.sound_bytes)
    with opened() as stream:
        start = stream.read(3)
    if start.startswith(_UTF16):
        raise DamagedFile("it is UTF-16; save it as UTF-8", lost_bytes=path.stat().st_size)
    with opened() as stream:
        if start == _UTF8_BOM:
            stream.read(3)
        yield stream
    if damage is not None:
        raise damage


def _compression(magic: bytes) -> Compression | None:
    """That of a file which starts so."""
    if magic.startswith(_GZIP):
        return Compression("gzip", partial(zlib.decompressobj, _WITH_GZIP_HEADER), padding=b"\0")
    if magic == _ZSTANDARD:
        return Compression("zstd", zstandard.ZstdDecompressor().decompressobj, padding=b"")
    return None


def _open_decoded(path: Path, magic: bytes) -> BinaryIO:
    if magic.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if magic != _ZSTANDARD:
        return path.open("rb")
    reader = zstandard.ZstdDecompressor().stream_reader(
        path.open("rb"), read_across_frames=True, closefd=True
    )
    return io.BufferedReader(reader)
