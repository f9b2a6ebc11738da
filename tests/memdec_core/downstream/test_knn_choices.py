"""p_kNN of choices, against whole forward passes and distances compared by hand."""

import math

import faiss
import numpy as np
import pytest

from memdec_core.downstream.choice_strings import ChoiceStrings, Prompts, encode_choices
from memdec_core.downstream.knn_choices import ChoiceSearch, knn_choice_log_probs
from memdec_core.models.key_model import KeyModel
from memdec_core.search import neighbour_search
from memdec_core.search.neighbour_search import Datastore
from tests.oracles.embeddings_oracle import full_forward_keys
from tests.oracles.knn_oracle import (
    array_blocks,
    brute_neighbours,
    dictionary_distribution,
    everything,
)
from tests.support.tiny_models import tiny_model, tiny_tokenizer

TAUS = (2.0, 30.0)
K = 9
MODEL = tiny_model(width=32)
STRINGS = encode_choices(tiny_tokenizer(), ((" token", " the"), (" memory reads",), (" the",)))


def datastore() -> tuple[np.ndarray, np.ndarray]:
    """Keys of some texts, before values that are mostly tokens of the choices."""
    rng = np.random.default_rng(1)
    texts = rng.integers(1, 400, (6, 40)).tolist()
    keys = np.concatenate([full_forward_keys(MODEL, text) for text in texts]).astype(np.float16)
    values = rng.choice([*STRINGS.token_ids_E, 5, 6, 7, 399], len(keys)).astype(np.uint32)
    return keys, values


def prompts() -> Prompts:
    rng = np.random.default_rng(2)
    return [rng.integers(1, 400, length) for length in (3, 20, 1, 8, 11)]


def by_hand(choices: ChoiceStrings) -> np.ndarray:
    """Scores (G, R, E), one prompt, string and token at a time."""
    keys, values = datastore()
    scores = np.full((len(TAUS), len(prompts()), len(choices.token_ids_E)), -np.inf)
    for row, prompt in enumerate(prompts()):
        for start, stop in zip(choices.offsets_S1[:-1], choices.offsets_S1[1:], strict=True):
            tokens = [*prompt.tolist(), *choices.token_ids_E[start:stop].tolist()]
            queries = full_forward_keys(MODEL, tokens).astype(np.float16)
            for place in range(start, stop):
                (pairs,) = brute_neighbours(
                    queries[[len(prompt) - 1 + place - start]], keys, K, everything
                )
                for g, tau in enumerate(TAUS):
                    masses = dictionary_distribution(pairs, values.tolist(), tau)
                    if (token := choices.token_ids_E[place]) in masses:
                        scores[g, row, place] = math.log(masses[token])
    return scores


@pytest.mark.parametrize("at_once", [2, 2048])
def test_scores_are_those_of_comparing_everything_by_hand(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(neighbour_search, "FAISS_BLOCK", at_once)
    keys, values = datastore()
    index = faiss.IndexFlatL2(keys.shape[1])
    index.add(keys.astype(np.float32))
    store = Datastore(index, lambda: array_blocks(keys))
    memory_bytes = 5_000_000 if at_once == 2048 else 1_000_000
    search = ChoiceSearch(KeyModel(MODEL, "float32"), store, values, K, memory_bytes)
    fractions: list[float] = []
    scores = knn_choice_log_probs(search, prompts(), STRINGS, TAUS, on_progress=fractions.append)
    expected = by_hand(STRINGS)
    np.testing.assert_array_equal(np.isfinite(scores), np.isfinite(expected))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=2e-3)
    assert 0.1 < np.isfinite(expected).mean() < 0.95, "some tokens have no neighbour"
    assert STRINGS.longer
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
