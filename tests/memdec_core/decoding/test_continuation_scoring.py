"""Continuations of any system get the scores of a loop over single tokens."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.decoding.continuation_scoring import (
    Continuation,
    context_length_of,
    continuation_log_probs,
    continuation_scores,
)
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from tests.oracles.continuation_oracle import (
    NextToken,
    continuation_score,
    greedy_tokens,
    mixed_next_token,
    transformer_next_token,
)
from tests.support.tiny_models import tiny_model

VOCAB = 390
CONTEXT = 32
ALPHA = 0.6


@cache
def base_lm() -> TransformerLM:
    return TransformerLM(tiny_model("gpt2", seed=1, context_length=CONTEXT), VOCAB)


@cache
def memory_lm() -> TransformerLM:
    model = tiny_model("qwen2", seed=2, vocab_size=416, context_length=2 * CONTEXT)
    return TransformerLM(model, VOCAB, logit_bytes=3 * 4 * VOCAB)


def oracle(lm: LanguageModel) -> NextToken:
    if isinstance(lm, TransformerLM):
        return transformer_next_token(lm.model, VOCAB)
    assert isinstance(lm, MixtureLM)
    return mixed_next_token(oracle(lm.base), oracle(lm.memory), lm.alpha)


def systems() -> dict[str, LanguageModel]:
    return {
        "base": base_lm(),
        "memory": memory_lm(),
        "mixture": MixtureLM(base_lm(), memory_lm(), ALPHA),
    }


def some_pairs(next_token: NextToken, count: int = 12) -> list[Continuation]:
    """Contexts of all lengths; every third continuation greedy, every third nearly so."""
    generator = np.random.default_rng(3)
    pairs = []
    for number in range(count):
        context = generator.integers(VOCAB, size=generator.integers(1, 20)).tolist()
        tokens = generator.integers(VOCAB, size=generator.integers(1, 8)).tolist()
        if number % 3:
            tokens = greedy_tokens(next_token, context, len(tokens) + 1)
        if number % 3 == 2:
            place = int(generator.integers(len(tokens)))
            tokens[place] = (tokens[place] + 1) % VOCAB
        pairs.append(Continuation(context, tokens))
    return pairs


@pytest.mark.parametrize("name", systems())
def test_scores_are_those_of_a_loop_over_single_tokens(name: str) -> None:
    lm = systems()[name]
    pairs = some_pairs(oracle(lm))
    expected = [continuation_score(oracle(lm), *pair) for pair in pairs]
    scores = continuation_scores(lm, pairs, batch_tokens=70)
    np.testing.assert_allclose(
        [score.log_prob for score in scores], [log_prob for log_prob, _ in expected], atol=1e-4
    )
    assert [score.is_greedy for score in scores] == [is_greedy for _, is_greedy in expected]
    assert {score.is_greedy for score in scores} == {True, False}
    alone = continuation_log_probs(lm, pairs, batch_tokens=70)
    np.testing.assert_allclose(alone, [log_prob for log_prob, _ in expected], atol=1e-4)


@settings(max_examples=20)
@given(batch_tokens=st.integers(1, 500), order=st.permutations(range(12)))
def test_neither_batches_nor_order_change_a_score(batch_tokens: int, order: list[int]) -> None:
    pairs = some_pairs(oracle(base_lm()))
    whole = continuation_scores(base_lm(), pairs, batch_tokens=10**6)
    shuffled = [pairs[number] for number in order]
    scores = continuation_scores(base_lm(), shuffled, batch_tokens=batch_tokens)
    for score, number in zip(scores, order, strict=True):
        assert score.log_prob == pytest.approx(whole[number].log_prob, abs=1e-4)
        assert score.is_greedy == whole[number].is_greedy


@pytest.mark.parametrize("name", ["base", "mixture"])
def test_a_long_context_loses_its_oldest_tokens(name: str) -> None:
    lm = systems()[name]
    context = np.random.default_rng(4).integers(VOCAB, size=50).tolist()
    tokens = [5, 17, 200]
    (score,) = continuation_scores(lm, [Continuation(context, tokens)], batch_tokens=64)
    expected, _ = continuation_score(oracle(lm), context[-(CONTEXT - 3) :], tokens)
    assert score.log_prob == pytest.approx(expected, abs=1e-4)
    other, _ = continuation_score(oracle(lm), context[-(CONTEXT - 4) :], tokens)
    assert abs(other - expected) > 1e-3


def test_a_continuation_that_fills_the_context_is_the_users_mistake() -> None:
    fits = Continuation([1, 2], [3] * (CONTEXT - 1))
    assert len(continuation_scores(base_lm(), [fits], batch_tokens=64)) == 1
    with pytest.raises(UserError, match="a continuation of 32 tokens leaves no room"):
        continuation_scores(base_lm(), [Continuation([1], [3] * CONTEXT)], batch_tokens=64)


def test_a_system_reads_what_the_shorter_of_its_models_does() -> None:
    assert context_length_of(memory_lm()) == 2 * CONTEXT
    assert context_length_of(MixtureLM(memory_lm(), base_lm(), ALPHA)) == CONTEXT


class EvenOrOdd:
    """A system of another kind, by hand: after an even id, even ids are three times as likely."""

    vocab_size = 4

    def log_probs(self, tokens_BT: torch.Tensor) -> torch.Tensor:
        alike = (tokens_BT[..., None] - torch.arange(4)) % 2 == 0
        return torch.where(alike, 3 / 8, 1 / 8).log()


def test_a_system_of_any_kind_is_scored_by_its_distributions() -> None:
    pairs = [Continuation([1], [1, 1]), Continuation([0], [2, 1, 1]), Continuation([2], [0])]
    scores = continuation_scores(EvenOrOdd(), pairs, batch_tokens=8)
    np.testing.assert_allclose(
        np.exp([score.log_prob for score in scores]), [9 / 64, 9 / 512, 3 / 8], rtol=1e-5
    )
    assert [score.is_greedy for score in scores] == [True, False, True]


def test_nothing_to_score_gives_no_scores() -> None:
    assert continuation_scores(base_lm(), [], batch_tokens=8) == []
    assert continuation_log_probs(base_lm(), [], batch_tokens=8).shape == (0,)
