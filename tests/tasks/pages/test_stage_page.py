from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.pages.stage_page import how_done, plain_title, stage_page
from tests.support.artifacts import publish

CORPUS = ArtifactRef(stage="corpus", fingerprint="0" * 32)


def fill(folder: Path) -> None:
    (folder / "curves.png").write_bytes(b"\x89PNG small")


@pytest.fixture
def page(store: Store) -> str:
    config = {"training": {"beta": 0.5, "patience": 0}}
    ref = publish(store, "memory", {"all": (fill, {})}, config, {"corpus": CORPUS})
    manifest = store.require(ref)
    figures = {
        "parameters": 37760,
        "valid_loss": 3.47281,
        "train": {"rows": 123456},
        "valid": {"rows": 99, "note": "a|b"},
    }
    manifest = manifest.model_copy(update={"figures": figures, "flow_run_id": "1234"})
    return stage_page(store, manifest, "Memory of law", how_done(manifest, reused=False))


def test_the_page_says_whether_the_artifact_was_built_or_reused(store: Store) -> None:
    ref = publish(store, "memory", {"all": (fill, {})})
    manifest = store.require(ref)
    assert how_done(manifest, reused=False).startswith("**Built** in 0.5\u00a0s")
    assert how_done(manifest, reused=True).startswith("**Reused** as it was: built on 20")
    assert plain_title(manifest) == "Memory"


def test_figures_are_named_in_words_and_set_side_by_side_by_split(page: str) -> None:
    assert "|  | train | valid |" in page
    assert "| rows (positions) | 123,456 | 99 |" in page
    assert "| parameters | 37,760 |" in page
    assert "| validation loss of the kept weights (nats) | 3.473 |" in page
    assert "a\\|b" in page


def test_settings_say_what_they_mean(page: str) -> None:
    (line,) = [line for line in page.splitlines() if "`training.beta`" in line]
    assert "| 0.5 | " in line
    assert "KL" in line.split("|")[3]


def test_the_page_tells_what_it_is_where_it_comes_from_and_where_it_lies(
    page: str, store: Store
) -> None:
    assert page.startswith("# Memory of law\n")
    assert "imitates the retriever" in page
    assert "corpus_000000000000 --> memory_" in page
    assert "[1234](../../runs/flow-run/1234)" in page
    assert "`memdec artifacts verify memory/" in page
    assert page.splitlines()[-1].startswith(f"Files: `{store.url}/artifacts/memory/")


def test_plots_are_named_by_what_they_show(page: str) -> None:
    assert "## Loss by step\n\n![Loss by step](curves.png)" in page


def test_every_table_has_as_many_cells_in_every_line(page: str) -> None:
    tables = [part.splitlines() for part in page.replace("\\|", "").split("\n\n")]
    tables = [[line for line in part if line.startswith("|")] for part in tables]
    assert sum(map(bool, tables)) >= 4
    assert all(len({line.count("|") for line in table}) <= 1 for table in tables)
