"""What the newest run was built from, found in its manifests."""

import shutil
from pathlib import Path

import pytest

from storage.store.artifact_store import Store
from storage.store.run_history import read_history, record_run
from tasks.inputs.finished_run import newest_built_corpus
from tests.support.artifacts import remove
from tests.support.tiny_run import TinyRun


@pytest.fixture
def store(tiny_run: TinyRun, tmp_path: Path) -> Store:
    shutil.copytree(tiny_run.store, tmp_path / "store")
    return Store.open(str(tmp_path / "store"))


def test_the_newest_runs_corpus_tokenizer_and_its_models_scores_are_found(store: Store) -> None:
    built = newest_built_corpus(store, "tiny")
    assert built is not None
    tokens = store.require(built.tokens)
    assert tokens.inputs == {"corpus": built.corpus, "base_model": built.base}
    assert built.scores is not None
    assert store.require(built.scores).inputs == {"tokens": built.tokens, "model": built.base}
    assert built.corpus in read_history(store, "tiny")[-1].artifacts


def test_a_pipeline_without_a_run_or_whose_corpus_is_gone_has_none(store: Store) -> None:
    assert newest_built_corpus(store, "other") is None
    built = newest_built_corpus(store, "tiny")
    assert built is not None
    remove(store, built.corpus)
    assert newest_built_corpus(store, "tiny") is None


def test_a_model_that_was_not_evaluated_has_no_scores(store: Store) -> None:
    built = newest_built_corpus(store, "tiny")
    assert built is not None
    artifacts = [ref for ref in read_history(store, "tiny")[-1].artifacts if ref != built.scores]
    record_run(store, "tiny", None, artifacts)
    again = newest_built_corpus(store, "tiny")
    assert again is not None
    assert (again.base, again.scores) == (built.base, None)
