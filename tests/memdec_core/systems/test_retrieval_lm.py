"""The baseline's scores are those of a loop that retrieves and predicts one token at a time."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM, token_log_probs
from memdec_core.systems.passage_retrieval import PassageIndex
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.systems.retrieval_lm import RetrievalLM
from tests.oracles.retrieval_oracle import retrieval_log_prob
from tests.support.tiny_models import tiny_model

CONFIG = RetrievalConfig(query_tokens=8, stride=4, passage_tokens=20)
CONTEXT = 64
N_IDS = 400
FOREIGN = 399
"""A token that no sequence holds."""


def random_ids(seed: int, size: int | tuple[int, int]) -> np.ndarray:
    return (FOREIGN * np.random.default_rng(seed).random(size) ** 2).astype(np.int64)


PASSAGES = [random_ids(seed, 5 + seed % 16) for seed in range(60)]


@cache
def base_lm(architecture: str = "gpt2") -> TransformerLM:
    return TransformerLM(tiny_model(architecture, context_length=CONTEXT), N_IDS)


@cache
def index() -> PassageIndex:
    return PassageIndex.build(PASSAGES, CONFIG)


def retrieval_lm(architecture: str = "gpt2", batch_tokens: int = 300) -> RetrievalLM:
    return RetrievalLM(
        base_lm(architecture), index(), PASSAGES.__getitem__, CONFIG, batch_tokens=batch_tokens
    )


def oracle(architecture: str, tokens_T: Tensor, position: int, first: int) -> np.ndarray:
    return retrieval_log_prob(
        base_lm(architecture).model, PASSAGES, tokens_T.numpy(), position, first, CONFIG
    )


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_scores_equal_a_loop_over_single_tokens(architecture: str) -> None:
    tokens_BT = torch.from_numpy(random_ids(100, (3, CONTEXT)))
    scored_BT = torch.zeros(3, CONTEXT, dtype=torch.bool)
    scored_BT[0, 1:] = True
    scored_BT[1, 30:50] = True
    scored_BT[2, [5, 7, 8, 9, 22, 60, 63]] = True
    expected = [
        oracle(architecture, tokens_BT[row], column, int(scored_BT[row].int().argmax()))[
            tokens_BT[row, column]
        ]
        for row, column in scored_BT.nonzero().tolist()
    ]
    lm = retrieval_lm(architecture)
    scores_P = lm.token_log_probs(tokens_BT, scored_BT)
    np.testing.assert_allclose(scores_P, expected, atol=1e-5, rtol=0)
    without = token_log_probs(lm.base, tokens_BT, scored_BT)
    assert float((scores_P - without).abs().max()) > 1e-3


def test_whole_distributions_equal_a_loop_over_single_tokens() -> None:
    tokens_BT = torch.from_numpy(random_ids(101, (2, CONTEXT)))
    log_probs_BTV = retrieval_lm().log_probs(tokens_BT)
    assert log_probs_BTV.shape == (2, CONTEXT, N_IDS)
    for row, position in np.ndindex(2, CONTEXT):
        expected = oracle("gpt2", tokens_BT[row], position + 1, 1)
        np.testing.assert_allclose(log_probs_BTV[row, position], expected, atol=1e-5, rtol=0)


def test_no_distribution_depends_on_what_follows() -> None:
    tokens_BT = torch.from_numpy(random_ids(102, (1, CONTEXT)))
    lm = retrieval_lm()
    whole = lm.log_probs(tokens_BT)
    for length in (1, 2, 5, 30, 61, 63):
        torch.testing.assert_close(
            lm.log_probs(tokens_BT[:, :length]), whole[:, :length], atol=1e-5, rtol=0
        )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    length=st.integers(10, 40),
    padding=st.integers(0, 20),
    batch_tokens=st.integers(1, 2000),
)
def test_neither_batches_nor_padding_change_a_score(
    seed: int, length: int, padding: int, batch_tokens: int
) -> None:
    tokens_BT = torch.from_numpy(random_ids(seed, (2, length)))
    scored_BT = torch.from_numpy(np.random.default_rng(seed).random((2, length)) < 0.4)
    scored_BT[:, 0] = False
    scored_BT[0, -1] = True
    pad = (0, padding, 0, 1)
    expected = retrieval_lm(batch_tokens=10**6).token_log_probs(tokens_BT, scored_BT)
    scores = retrieval_lm(batch_tokens=batch_tokens).token_log_probs(
        torch.nn.functional.pad(tokens_BT, pad, value=7),
        torch.nn.functional.pad(scored_BT, pad, value=False),
    )
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1, 30, 63, CONTEXT])
def test_a_retriever_that_finds_nothing_gives_the_bases_scores(length: int) -> None:
    nothing = PassageIndex.build([np.array([FOREIGN])], CONFIG)
    lm = RetrievalLM(base_lm(), nothing, PASSAGES.__getitem__, CONFIG, batch_tokens=500)
    tokens_BT = torch.from_numpy(random_ids(103, (2, length)))
    expected = lm.base.log_probs(tokens_BT)
    torch.testing.assert_close(lm.log_probs(tokens_BT), expected, atol=1e-5, rtol=0)
    if length > 1:
        scored_BT = (torch.arange(length) >= length // 2).expand(2, -1)
        torch.testing.assert_close(
            lm.token_log_probs(tokens_BT, scored_BT),
            token_log_probs(lm.base, tokens_BT, scored_BT),
            atol=1e-5,
            rtol=0,
        )


def test_a_passage_that_leaves_no_room_for_the_query_is_the_users_to_mend() -> None:
    config = RetrievalConfig(query_tokens=8, stride=4, passage_tokens=53)
    with pytest.raises(UserError, match="passage_tokens to 52 or less"):
        RetrievalLM(base_lm(), index(), PASSAGES.__getitem__, config, batch_tokens=100)
