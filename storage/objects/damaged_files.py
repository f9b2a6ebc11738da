"""Finds where a compressed file is damaged, and gives the whole lines before that."""

import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

import zstandard

_CHUNK_BYTES = 1 << 12  # expands to 128 MiB at the very most
_CHECKSUM = "check"
"""In what both libraries say of content that decodes and is not what was written."""


class DamagedFile(Exception):
    """A file cannot be read to its end; the message says why.

    Attributes:
        lost_bytes: How many of its bytes are of no use to anybody, as far as they are there: of
            the file from the damage on, and of the line before it, decoded, that it broke off.
        sound_bytes: How many bytes of whole lines can be decoded before the damage.
    """

    def __init__(self, reason: str, lost_bytes: int, sound_bytes: int = 0) -> None:
        super().__init__(reason)
        self.lost_bytes = lost_bytes
        self.sound_bytes = sound_bytes


class Frame(Protocol):
    """Decodes a gzip member or a Zstandard frame, as the objects of both libraries do."""

    @property
    def eof(self) -> bool:
        """Whether it is decoded to its end."""

    @property
    def unused_data(self) -> bytes:
        """What was given to it and comes after its end."""

    def decompress(self, data: bytes, /) -> bytes:
        """Decodes the next bytes."""


class Compression(NamedTuple):
    """How a compressed file is decoded.

    Attributes:
        name: Of the format.
        new_frame: Makes what decodes one frame.
        padding: Byte that may fill the file up between frames and at the end.
    """

    name: str
    new_frame: Callable[[], Frame]
    padding: bytes


def find_damage(path: Path, compression: Compression) -> DamagedFile | None:
    """Decodes every frame of a file and compares the checksums.

    Content of a frame whose checksum differs may be wrong anywhere, so that none of it is sound.

    Args:
        path: The file.
        compression: Its format.
    """
    used = decoded = lines = lines_before_frame = 0
    try:
        for place, content, is_end in _decode(path, compression):
            used = place
            if end := content.rfind(b"\n") + 1:
                lines = decoded + end
            decoded += len(content)
            if is_end:
                lines_before_frame = lines
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        sound = lines_before_frame if _CHECKSUM in str(error) else lines
        after = path.stat().st_size - used
        reason = f"{compression.name}: {error}"
        return DamagedFile(reason, lost_bytes=decoded - sound + after, sound_bytes=sound)
    return None


def whole_lines(path: Path, compression: Compression, sound_bytes: int) -> BinaryIO:
    """A temporary file of the lines that `find_damage` found sound."""
    lines = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    left = sound_bytes
    for _, content, _ in _decode(path, compression):
        lines.write(content[:left])
        left -= len(content)
        if left <= 0:
            break
    lines.seek(0)
    return lines


def _decode(path: Path, compression: Compression) -> Iterator[tuple[int, bytes, bool]]:
    """Yields how much of the file is decoded, the next content, and whether a frame ends with it.

    Raises:
        EOFError: The file ends in the middle of a frame.
    """
    frame, is_between, place = compression.new_frame(), True, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            place += len(chunk)
            while chunk := chunk.lstrip(compression.padding) if is_between else chunk:
                content = frame.decompress(chunk)
                chunk = frame.unused_data
                is_between = frame.eof
                yield place - len(chunk), content, is_between
                if is_between:
                    frame = compression.new_frame()
    if not is_between:
        raise EOFError("the file ends in the middle of a frame")
