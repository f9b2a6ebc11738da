import gzip
from pathlib import Path

import pytest
import zstandard

from storage.objects.compressed_files import DamagedFile, open_sound
from tests.oracles.documents_oracle import numbered, read, reasons

PLAIN = numbered(2000)
GZIP = gzip.compress(PLAIN)
ZSTANDARD = zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN)


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


DAMAGED = {
    "cut.jsonl.gz": GZIP[: len(GZIP) * 2 // 3],
    "header_only.jsonl.gz": GZIP[:8],
    "bad_crc.jsonl.gz": flipped(GZIP, len(GZIP) - 8),
    "flipped.jsonl.gz": flipped(GZIP, len(GZIP) // 2),
    "junk_after.jsonl.gz": GZIP + b"junk after the end",
    "cut.jsonl.zst": ZSTANDARD[: len(ZSTANDARD) // 2],
    "header_only.jsonl.zst": ZSTANDARD[:5],
    "flipped.jsonl.zst": flipped(ZSTANDARD, len(ZSTANDARD) // 2),
    "junk_after.jsonl.zst": ZSTANDARD + b"junk after the end",
    "second_frame_cut.jsonl.zst": ZSTANDARD + ZSTANDARD[: len(ZSTANDARD) // 2],
    "utf16.jsonl": PLAIN.decode().encode("utf-16"),
    "utf16.jsonl.gz": gzip.compress(PLAIN.decode().encode("utf-16")),
}
SOUND = {
    "plain.jsonl": PLAIN,
    "sound.jsonl.gz": GZIP,
    "sound.jsonl.zst": ZSTANDARD,
    "plain_called_gzip.jsonl.gz": PLAIN,
    "gzip_called_plain.jsonl": GZIP,
    "byte_order_mark.jsonl.zst": zstandard.compress(b"\xef\xbb\xbf" + PLAIN),
    "two_members.jsonl.gz": gzip.compress(PLAIN[:1234]) + gzip.compress(PLAIN[1234:]),
    "two_frames.jsonl.zst": zstandard.compress(PLAIN[:1]) + zstandard.compress(PLAIN[1:]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_reject_and_no_document(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name])
    documents, rejects = read(tmp_path / name)
    assert not documents
    assert reasons(rejects) == {0: "damaged file"}
    assert len(rejects) == 1


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_gives_every_byte(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SOUND[name])
    with open_sound(tmp_path / name) as stream:
        assert stream.read() == PLAIN


def test_an_empty_file_is_sound_and_an_empty_gzip_too(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", b""), ("a.jsonl.gz", gzip.compress(b""))):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == ([], [])


def test_the_error_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.zst").write_bytes(DAMAGED["cut.jsonl.zst"])
    with pytest.raises(DamagedFile, match="ends in the middle"), open_sound(tmp_path / "a.zst"):
        pass
