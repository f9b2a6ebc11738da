"""Shards: one attempt's files and no others, first commit wins, names stay inside."""

from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact, MissingArtifact, UnsafeName
from storage.store.artifact_store import Store

REF = ArtifactRef(stage="tokens", fingerprint="0" * 32)
ATTEMPT = "1" * 32


def test_a_retry_never_meets_the_files_of_the_worker_that_died(any_store: Store) -> None:
    dead = any_store.writer(REF, "all", ATTEMPT)
    (dead.folder / "old.txt").write_text("old")
    retry = any_store.writer(REF, "all", ATTEMPT)
    (retry.folder / "new.txt").write_text("new")
    retry.commit({}, 1.0, 1)
    assert any_store.readers(REF)["all"].names() == ["new.txt"]
    assert retry.folder != dead.folder


def test_the_first_commit_wins_and_the_loser_is_told(any_store: Store) -> None:
    writers = [any_store.writer(REF, "all", digit * 32) for digit in "12"]
    for number, writer in enumerate(writers):
        (writer.folder / "n.txt").write_text(str(number))
    won = writers[1].commit({"n": 1}, 1.0, 1)
    lost = writers[0].commit({"n": 0}, 1.0, 1)
    assert lost == won
    assert any_store.readers(REF)["all"].read("n.txt") == b"1"


def test_a_local_writer_writes_in_place(store: Store) -> None:
    folder = store.writer(REF, "all", ATTEMPT).folder
    assert store.root.folder is not None
    assert folder == store.root.folder / f"artifacts/tokens/{REF.fingerprint}/{ATTEMPT}/all"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/a", "a b", "é", "x\n", "../../x"])
def test_a_shard_name_cannot_leave_the_artifact(any_store: Store, name: str) -> None:
    with pytest.raises(UnsafeName, match="use letters, digits"):
        any_store.writer(REF, name, ATTEMPT)


def test_a_symbolic_link_is_not_stored(any_store: Store, tmp_path: Path) -> None:
    writer = any_store.writer(REF, "all", ATTEMPT)
    (writer.folder / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafeName, match=r"link: symbolic links cannot be stored"):
        writer.commit({}, 1.0, 1)
    assert any_store.committed(REF) == {}


def test_a_folder_that_was_collected_while_written_is_not_committed(store: Store) -> None:
    writer = store.writer(REF, "all", ATTEMPT)
    (writer.folder / "first.txt").write_text("1")
    store.root.delete_tree(f"artifacts/tokens/{REF.fingerprint}/{ATTEMPT}")
    writer.folder.mkdir(parents=True)
    (writer.folder / "second.txt").write_text("2")
    with pytest.raises(MissingArtifact, match="removed while it was being written"):
        writer.commit({}, 1.0, 1)
    assert store.committed(REF) == {}


def test_only_files_of_the_record_can_be_read(any_store: Store) -> None:
    any_store.writer(REF, "all", ATTEMPT).commit({}, 1.0, 1)
    reader = any_store.readers(REF)["all"]
    for path in ["../../manifest.json", "none.txt", "/etc/passwd"]:
        with pytest.raises(MissingArtifact, match="no such file"):
            reader.read(path)
        with pytest.raises(MissingArtifact, match="no such file"):
            reader.local_path(path)


def test_a_changed_byte_is_never_returned_by_read(any_store: Store) -> None:
    key = write_one_file(any_store)
    any_store.root.replace(key, b"0123X56789")
    with pytest.raises(DamagedArtifact, match=r"n\.txt: not the bytes that were written"):
        any_store.readers(REF)["all"].read("n.txt")


def test_a_shortened_file_is_not_handed_out(any_store: Store) -> None:
    key = write_one_file(any_store)
    any_store.root.replace(key, b"01234")
    with pytest.raises(DamagedArtifact, match=r"n\.txt: not the bytes"):
        any_store.readers(REF)["all"].folder()


def test_a_copy_of_an_object_is_checked_and_then_kept(any_store: Store) -> None:
    key = write_one_file(any_store)
    reader = any_store.readers(REF)["all"]
    path = reader.local_path("n.txt")
    if any_store.root.folder is None:
        any_store.root.delete([key])
    assert reader.local_path("n.txt").read_bytes() == b"0123456789"
    assert [file.name for file in path.parent.iterdir()] == ["n.txt"]


def write_one_file(store: Store) -> str:
    writer = store.writer(REF, "all", ATTEMPT)
    (writer.folder / "n.txt").write_text("0123456789")
    writer.commit({}, 1.0, 1)
    return f"artifacts/tokens/{REF.fingerprint}/{ATTEMPT}/all/n.txt"
