"""Short names of artifacts; differences of two: configuration by path, inputs, files."""

from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_inspection import (
    diff,
    find_artifact,
    find_named,
    served_fingerprint,
)
from storage.store.artifact_store import Store
from storage.store.production import Decision, Release, record_decision
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
    assert found["config"] == [("tokens.eos", True, False), ("tokens.gone", None, None)]
    assert found["inputs"] == [
        ("corpus", f"corpus/{corpora[0].fingerprint}", f"corpus/{corpora[1].fingerprint}")
    ]
    assert found["figures"] == []
    assert [change.name for change in found["files"]] == ["all/new.txt", "all/words.txt"]
    assert found["files"][0].before is None


def test_an_artifact_does_not_differ_from_itself(store: Store) -> None:
    ref = publish(store, "tokens", {"all": (write_a, {})}, {"x": {"y": {}}})
    assert not any(diff(store, ref, ref).values())


@pytest.fixture
def refs(store: Store) -> list[ArtifactRef]:
    return [
        publish(store, stage, {"all": (write_a, {})}, config={"number": number})
        for stage, number in (("tokens", 1), ("index", 1), ("index", 2))
    ]


def test_a_stage_with_one_artifact_names_it(store: Store, refs: list[ArtifactRef]) -> None:
    assert find_artifact(store, "tokens") == refs[0]


@pytest.mark.parametrize("form", ["{0.stage}/{0.fingerprint}", "{0}", "{0.fingerprint}"])
def test_stage_and_fingerprint_may_be_shortened(
    store: Store, refs: list[ArtifactRef], form: str
) -> None:
    for ref in refs:
        assert find_artifact(store, form.format(ref)) == ref


def test_an_ambiguous_name_lists_what_it_may_be(store: Store, refs: list[ArtifactRef]) -> None:
    with pytest.raises(MissingArtifact, match=f"any of 2 artifacts.*{refs[1]}"):
        find_artifact(store, "index")


def test_an_unknown_name_says_how_to_list_them(store: Store, refs: list[ArtifactRef]) -> None:
    with pytest.raises(MissingArtifact, match="artifacts ls"):
        find_artifact(store, "memory/0123")


def test_a_release_and_what_an_answer_says_of_its_models_are_found(store: Store) -> None:
    parts = {
        role: publish(store, stage, {"all": (write_a, {})}, {"role": role})
        for role, stage in (("base", "base_model"), ("memory",) * 2, ("evaluation",) * 2)
    }
    made = Decision(
        action="promoted", release=Release(**parts), artifacts=[], who="me", why="a test"
    )
    record_decision(store, "law", made, after=0)
    assert find_named(store, "law:1") == list(parts.values())
    served = [parts["base"], parts["memory"]]
    assert find_named(store, served_fingerprint(served)) == served
    assert find_named(store, f"memory/{parts['memory'].fingerprint[:5]}") == [parts["memory"]]
    for nothing in ("law:2", "law:0", "law:x", "other:1"):
        with pytest.raises(MissingArtifact, match="is no release"):
            find_named(store, nothing)
    with pytest.raises(MissingArtifact, match="no artifact"):
        find_named(store, "00000000-00000000")
