"""Differences of two artifacts: configuration by path, inputs, files."""

from pathlib import Path

from storage.store.artifact_diff import diff
from storage.store.artifact_store import Store
from tests.support.artifacts import publish


def write_a(folder: Path) -> None:
    (folder / "same.txt").write_text("same")
    (folder / "words.txt").write_text("a")


def write_b(folder: Path) -> None:
    (folder / "same.txt").write_text("same")
    (folder / "words.txt").write_text("b")
    (folder / "new.txt").write_text("new")


def test_every_difference_is_listed_with_both_sides(store: Store) -> None:
    corpora = [publish(store, "corpus", {"all": (fill, {})}, {"n": 0}) for fill in (write_a,)]
    corpora.append(publish(store, "corpus", {"all": (write_b, {})}, {"n": 1}))
    old = publish(
        store,
        "tokens",
        {"all": (write_a, {})},
        {"tokens": {"eos": True, "n": 1, "gone": None}, "same": [1]},
        {"corpus": corpora[0]},
    )
    new = publish(
        store,
        "tokens",
        {"all": (write_b, {})},
        {"tokens": {"eos": False, "n": 1}, "same": [1]},
        {"corpus": corpora[1]},
    )
    found = diff(store, old, new)
    assert found.config == [("tokens.eos", True, False), ("tokens.gone", None, None)]
    assert found.inputs == [
        ("corpus", f"corpus/{corpora[0].fingerprint}", f"corpus/{corpora[1].fingerprint}")
    ]
    assert found.figures == []
    assert [change.name for change in found.files] == ["all/new.txt", "all/words.txt"]
    assert found.files[0].before is None


def test_an_artifact_does_not_differ_from_itself(store: Store) -> None:
    ref = publish(store, "tokens", {"all": (write_a, {})}, {"x": {"y": {}}})
    assert diff(store, ref, ref) == ([], [], [], [])
