"""Drift measured on a pipeline that has run, where what it should be is known."""

import numpy as np
import pytest

from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.documents.duplicate_index import text_digest
from storage.formats.corpus_parquet import CorpusReader
from storage.formats.position_columns import read_scores
from storage.formats.token_shards import TokenReader
from storage.store.artifact_store import Store
from tasks.inputs.finished_run import BuiltCorpus, newest_built_corpus
from tasks.jobs.run_settings import RunSettings
from tasks.watch import corpus_drift
from tasks.watch.corpus_drift import measure_drift
from tasks.watch.watch_job import Drift
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def store(tiny_run: TinyRun) -> Store:
    return Store.open_existing(str(tiny_run.store))


@pytest.fixture
def built(store: Store) -> BuiltCorpus:
    found = newest_built_corpus(store, "tiny")
    assert found is not None
    return found


def texts_of(store: Store, built: BuiltCorpus, split: str) -> list[str]:
    reader = CorpusReader(store.readers(built.corpus)["all"])
    return [
        text for part in reader.parts(split) for _, texts in reader.texts(part) for text in texts
    ]


def measured(store: Store, built: BuiltCorpus, texts: list[str]) -> Drift:
    """Measures with the texts sampled in the order given."""
    digests = [text_digest(text) for text in texts]
    settings = RunSettings(store=store.url)
    drift = measure_drift(store, built, zip(digests, texts, strict=True), digests, settings)
    assert drift is not None
    return drift


def test_the_test_split_as_new_text_gives_what_is_known_of_it(
    store: Store, built: BuiltCorpus
) -> None:
    drift = measured(store, built, texts_of(store, built, "test"))
    assert built.scores is not None
    log_probs_GN = read_scores(store.readers(built.scores)["test"])
    known = float(np.exp(-log_probs_GN[0].mean()))
    figures = drift.figures
    assert drift.tokens == TokenReader(store.readers(built.tokens), "test").n_tokens
    assert figures["sampled_tokens"] == drift.tokens
    assert figures["base_perplexity_new"] == pytest.approx(known, rel=1e-5)
    assert figures["base_perplexity_test"] == pytest.approx(known, rel=1e-5)
    assert figures["unigram_kl"] == pytest.approx(figures["unigram_kl_test"], rel=1e-9)


def test_foreign_text_is_further_away_than_the_test_split(store: Store, built: BuiltCorpus) -> None:
    foreign = ["\n".join(f"{n:x} := λ({n * n}) ≠ ∅;" for n in range(40))]
    figures = measured(store, built, foreign).figures
    assert isinstance(figures["unigram_kl_test"], float)
    assert isinstance(figures["unigram_kl"], float)
    assert figures["unigram_kl"] > 2 * figures["unigram_kl_test"]


def test_the_sample_is_cut_and_all_tokens_are_counted(
    store: Store, built: BuiltCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_drift, "SAMPLE_TOKENS", 100)
    texts = texts_of(store, built, "valid")
    drift = measured(store, built, texts)
    tokenizer = load_tokenizer(store.readers(built.base)["all"].folder())
    lengths = [len(tokenizer(text, add_special_tokens=False).input_ids) + 1 for text in texts]
    assert drift.tokens == sum(lengths)
    assert drift.figures["sampled_tokens"] == 100


def test_a_base_that_was_not_evaluated_is_not_asked(store: Store, built: BuiltCorpus) -> None:
    unscored = built.model_copy(update={"scores": None})
    figures = measured(store, unscored, ["some new text"]).figures
    assert figures.keys() == {"unigram_kl", "unigram_kl_test"}


def test_without_a_token_nothing_is_measured(store: Store, built: BuiltCorpus) -> None:
    assert measure_drift(store, built, [], [], RunSettings(store=store.url)) is None
