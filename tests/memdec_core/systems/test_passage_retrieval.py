"""Passages tile the documents, and the best one is the one that BM25 by hand finds."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.errors import UserError
from memdec_core.systems.passage_retrieval import PassageIndex, cut_passages
from memdec_core.systems.retrieval_config import RetrievalConfig
from tests.oracles.retrieval_oracle import bm25_scores

CONFIG = RetrievalConfig()


def random_ids(seed: int, lengths: list[int], n_ids: int = 60) -> list[np.ndarray]:
    """Token ids of which, as in a text, some are common and most are rare."""
    rng = np.random.default_rng(seed)
    return [(n_ids * rng.random(length) ** 3).astype(np.uint16) for length in lengths]


@given(lengths=st.lists(st.integers(0, 30), max_size=12), passage_tokens=st.integers(1, 9))
def test_passages_cover_every_token_once_and_never_cross_documents(
    lengths: list[int], passage_tokens: int
) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    passages = cut_passages(offsets, passage_tokens)
    assert passages.dtype == np.int64
    covered = [token for start, end in passages for token in range(start, end)]
    assert covered == list(range(offsets[-1]))
    for start, end in passages:
        assert any(first <= start < end <= last for first, last in pairwise(offsets))
        assert end - start == passage_tokens or end in offsets
        assert end - start <= passage_tokens


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (1.5, 0.75), (0.0, 0.0)])
def test_the_best_passage_has_the_best_score_by_hand(k1: float, b: float) -> None:
    rng = np.random.default_rng(7)
    passages = random_ids(1, rng.integers(1, 25, size=80).tolist())
    queries = random_ids(2, rng.integers(1, 20, size=100).tolist(), n_ids=70)
    index = PassageIndex.build(passages, RetrievalConfig(k1=k1, b=b))
    found = index.search(queries)
    assert found.dtype == np.int64
    assert len(set(found.tolist())) > 10
    for query, passage in zip(queries, found, strict=True):
        scores = bm25_scores(passages, query, k1, b)
        assert scores[passage] == pytest.approx(scores.max(), rel=1e-5)


def test_of_equally_good_passages_the_first_is_found() -> None:
    passages = random_ids(5, [5, 9, 3, 7])
    queries = random_ids(6, [6] * 50)
    found = PassageIndex.build(passages * 6, CONFIG).search(queries)
    assert set(found.tolist()) >= {0, 1, 3}
    assert found.max() < len(passages)


def test_a_query_that_shares_no_token_finds_nothing() -> None:
    index = PassageIndex.build([np.array([3, 4, 5]), np.array([4, 9])], CONFIG)
    queries = [[], [6, 0], [10], [2**31 - 1], [9, 6, 70_000]]
    found = index.search([np.array(query, np.int64) for query in queries])
    assert found.tolist() == [-1, -1, -1, -1, 1]
    assert index.search([]).shape == (0,)


def test_a_token_in_every_passage_still_finds_one() -> None:
    index = PassageIndex.build([np.array([1, 2, 2]), np.array([1, 1, 2])], CONFIG)
    assert index.search([np.array([1]), np.array([2])]).tolist() == [1, 0]


def test_a_split_without_tokens_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="no passage"):
        PassageIndex.build([], CONFIG)
