import gzip
import io
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from storage.objects.compressed_files import open_sound
from storage.objects.damaged_files import DamagedFile
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
    "padded.jsonl.gz": GZIP + bytes(10_000),
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


FIRST, SECOND = PLAIN[:1234], PLAIN[1234:]
COMPRESSED = {
    "gzip": (gzip.compress(FIRST), gzip.compress(SECOND)),
    "zstd": tuple(
        zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in (FIRST, SECOND)
    ),
}


def kept(content: bytes) -> tuple[bytes, DamagedFile | None]:
    """What is given of a file if the damage is to be tolerated, and what is said of that."""
    lines = b""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").write_bytes(content)
        try:
            with open_sound(Path(folder) / "a", keep=True) as stream:
                lines = stream.read()
        except DamagedFile as damage:
            return lines, damage
        return lines, None


def decodable(content: bytes) -> bytes:
    """All that the library's own reader gives, byte by byte, of a gzip file that is cut."""
    stream, found = gzip.GzipFile(fileobj=io.BytesIO(content)), b""
    with suppress(EOFError, zlib.error):
        while byte := stream.read(1):
            found += byte
    return found


@pytest.mark.parametrize("kind", COMPRESSED)
@given(data=st.data())
def test_whole_lines_before_a_cut_are_kept(kind: str, data: st.DataObject) -> None:
    whole = b"".join(COMPRESSED[kind])
    place = data.draw(st.integers(12, len(whole)))
    lines, damage = kept(whole[:place])
    ends_between = place in (len(COMPRESSED[kind][0]), len(whole))
    assert (damage is None) == ends_between
    assert PLAIN.startswith(lines)
    if damage is not None:
        assert lines == PLAIN[: PLAIN.rfind(b"\n", 0, len(lines)) + 1]
        assert damage.sound_bytes == len(lines)


@pytest.mark.parametrize("place", range(20, len(GZIP), 977))
def test_nothing_that_can_be_decoded_before_a_cut_is_lost(place: int) -> None:
    lines, damage = kept(GZIP[:place])
    whole = decodable(GZIP[:place])
    assert lines == whole[: whole.rfind(b"\n") + 1]
    assert damage is not None
    assert damage.lost_bytes == len(whole) - len(lines), "of the file itself nothing is left"


@pytest.mark.parametrize("kind", COMPRESSED)
def test_of_a_frame_whose_checksum_differs_nothing_is_kept(kind: str) -> None:
    first, second = COMPRESSED[kind]
    place = len(second) - (8 if kind == "gzip" else 4)
    lines, damage = kept(first + flipped(second, place))
    assert lines == FIRST[: FIRST.rfind(b"\n") + 1]
    assert damage is not None
    assert "check" in str(damage)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_what_follows_the_end_is_lost_and_nothing_else(kind: str) -> None:
    whole = b"".join(COMPRESSED[kind])
    lines, damage = kept(whole + b"junk after the end")
    assert lines == PLAIN
    assert damage is not None
    assert damage.lost_bytes == len(b"junk after the end")


def test_documents_before_the_damage_are_kept_and_the_loss_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(DAMAGED["cut.jsonl.gz"])
    documents, rejects = read(tmp_path / "a.jsonl.gz", keep_damaged=True)
    sound = decodable(DAMAGED["cut.jsonl.gz"])
    assert len(documents) == sound.count(b"\n") > 1000
    assert reasons(rejects) == {0: "damaged file"}
    assert rejects[0].lost_bytes == len(sound) - sound.rfind(b"\n") - 1
    assert rejects[0].detail.endswith(f"; {rejects[0].lost_bytes} bytes lost")


def test_of_a_text_file_the_lines_before_the_damage_are_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("sound\nsound\nnicht schön\n".encode("latin-1"))
    documents, rejects = read(tmp_path / "a.txt", keep_damaged=True)
    assert [document.text for document in documents] == ["sound\nsound\n"]
    assert reasons(rejects) == {0: "damaged file"}
    assert rejects[0].lost_bytes == len("nicht schön\n")


@pytest.mark.parametrize("name", ["header_only.jsonl.gz", "utf16.jsonl", "utf16.jsonl.gz"])
def test_of_some_files_nothing_can_be_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name])
    documents, rejects = read(tmp_path / name, keep_damaged=True)
    assert not documents
    assert reasons(rejects) == {0: "damaged file"}
