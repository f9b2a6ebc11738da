import base64
from pathlib import Path

import numpy as np

from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from tasks.stage_page import stage_page
from tests.artifacts import publish

PNG = b"\x89PNG small"
CORPUS = ArtifactRef(stage="corpus", fingerprint="0" * 32)


def fill(folder: Path) -> None:
    (folder / "curves.png").write_bytes(PNG)
    (folder / "huge.png").write_bytes(np.random.default_rng(0).bytes(200_000))


def page(store: Store, *, reused: bool) -> str:
    ref = publish(
        store, "memory", {"all": (fill, {})}, {"training": {"beta": 0.5}}, {"corpus": CORPUS}
    )
    return stage_page(store, store.require(ref), reused=reused)


def test_the_page_says_whether_the_artifact_was_built_or_reused(store: Store) -> None:
    assert "**Built**" in page(store, reused=False)
    assert "**Reused**" in page(store, reused=True)


def test_the_page_shows_configuration_inputs_and_place(store: Store) -> None:
    text = page(store, reused=False)
    assert "| training.beta | 0.5 |" in text
    assert "`corpus/000000000000` (corpus)" in text
    assert f"{store.url}/artifacts/memory/" in text


def test_small_plots_are_shown_and_large_ones_are_not(store: Store) -> None:
    text = page(store, reused=False)
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in text
    assert "huge.png" not in text
    assert len(text) < 200_000
