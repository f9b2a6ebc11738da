from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import MissingArtifact
from storage.store.artifact_lookup import find_artifact
from storage.store.artifact_store import Store
from tests.support.artifacts import publish


def fill(folder: Path) -> None:
    (folder / "data.txt").write_text("data")


@pytest.fixture
def refs(store: Store) -> list[ArtifactRef]:
    return [
        publish(store, stage, {"all": (fill, {})}, config={"number": number})
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
