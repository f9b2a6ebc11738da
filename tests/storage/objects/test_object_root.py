"""Keys: created once, replaced whole, listed, timed, deleted with all that is below."""

import threading

import pytest

from storage.objects.local_files import create_file
from storage.objects.store_errors import StoreUnavailable
from storage.store.artifact_store import Store
from tests.storage.conftest import Refuse


def test_of_many_racers_one_creates(any_store: Store) -> None:
    won: list[int] = []

    def race(number: int) -> None:
        if any_store.root.create("a/key", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert any_store.root.read("a/key") == str(won[0]).encode()
    assert [entry.key for entry in any_store.root.scan("a")] == ["a/key"]


def test_what_was_refused_is_not_taken_for_an_object_that_is_there(
    objects: Store, refuse: Refuse
) -> None:
    refuse("a/key", 7)
    with pytest.raises(StoreUnavailable, match=r"a/key: refused by the store.*run again"):
        objects.root.create("a/key", b"data")
    assert objects.root.read("a/key") is None
    assert objects.root.create("a/key", b"data")
    refuse("a/key", 1)  # as after a creation whose answer got lost
    assert objects.root.create("a/key", b"data")
    assert not objects.root.create("a/key", b"another's")
    refuse("b/key", 6)  # it is asked again
    assert objects.root.create("b/key", b"data")


def test_replacing_needs_no_former_object(any_store: Store) -> None:
    assert any_store.root.read("a/key") is None
    assert any_store.root.head("a/key") is None
    for data in (b"first", b"second"):
        any_store.root.replace("a/key", data)
        assert any_store.root.read("a/key") == data
    head = any_store.root.head("a/key")
    assert head is not None
    assert head.size == 6


def test_listings_are_sorted_and_stay_below_the_prefix(any_store: Store) -> None:
    for key in ("a/2", "a/1/x", "ab/3", "b/4"):
        any_store.root.replace(key, b"")
    assert [entry.key for entry in any_store.root.scan("a")] == ["a/1/x", "a/2"]
    assert any_store.root.folders("a") == ["1"]
    assert any_store.root.scan("none") == []
    assert any_store.root.folders("none") == []


def test_what_a_crashed_write_left_is_no_object(store: Store) -> None:
    store.root.replace("a/key", b"data")
    assert store.root.folder is not None
    (store.root.folder / "a" / "key#123").write_bytes(b"da")
    assert [entry.key for entry in store.root.scan("a")] == ["a/key"]


def test_the_stores_clock_moves_on_and_leaves_nothing(any_store: Store) -> None:
    first, second = any_store.root.now(), any_store.root.now()
    assert first <= second < first + 60
    assert any_store.root.scan("") == []


def test_deleting_a_tree_leaves_no_empty_folders(any_store: Store) -> None:
    for key in ("a/b/1", "a/b/c/2", "d"):
        any_store.root.replace(key, b"x")
    any_store.root.delete_tree("a/b")
    any_store.root.delete_tree("a/none")
    any_store.root.delete(["none", "d"])
    assert any_store.root.scan("") == []
    assert any_store.root.folders("a") == []


def test_a_place_is_reserved_once(any_store: Store) -> None:
    assert any_store.root.reserve("a/b")
    assert not any_store.root.reserve("a/b")
    assert any_store.root.reserve("a/c")


def test_a_digest_is_of_size_and_bytes(any_store: Store) -> None:
    any_store.root.replace("a", b"abc")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert any_store.root.digest("a") == (3, abc)
    any_store.root.replace("a", b"")
    assert any_store.root.digest("a") == (0, empty)
    assert any_store.root.digest("none") is None


def test_a_failed_write_leaves_nothing_behind(store: Store) -> None:
    assert store.root.folder is not None
    path = store.root.folder / "file"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        store.root.folder.joinpath("file").open("wb")
    assert not create_file(path, b"x")
    assert [entry.name for entry in store.root.folder.iterdir()] == ["file"]
