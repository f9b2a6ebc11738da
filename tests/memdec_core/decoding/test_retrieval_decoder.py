"""Retrieval that is fed token by token gives the distributions of scoring all at once."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memdec_core.decoding.decoders import TransformerDecoder
from memdec_core.decoding.system_decoders import RetrievalDecoder
from memdec_core.models.language_model import TransformerLM
from memdec_core.systems.passage_retrieval import PassageIndex
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.systems.retrieval_lm import RetrievalLM
from tests.support.tiny_models import tiny_model

CONFIG = RetrievalConfig(query_tokens=8, stride=4, passage_tokens=20)
CONTEXT = 64
N_IDS = 400
FOREIGN = 399
"""A token that no sequence holds."""


def random_ids(seed: int, size: int) -> np.ndarray:
    return (FOREIGN * np.random.default_rng(seed).random(size) ** 2).astype(np.int64)


PASSAGES = [random_ids(seed, 5 + seed % 16) for seed in range(60)]


@cache
def retrieval_lm(architecture: str = "gpt2", *, nothing: bool = False) -> RetrievalLM:
    base = TransformerLM(tiny_model(architecture, context_length=CONTEXT), N_IDS)
    index = PassageIndex.build([np.array([FOREIGN])] if nothing else PASSAGES, CONFIG)
    return RetrievalLM(base, index, PASSAGES.__getitem__, CONFIG, batch_tokens=300)


def make_decoder(lm: RetrievalLM) -> RetrievalDecoder:
    assert isinstance(lm.base, TransformerLM)
    base = lm.base
    return RetrievalDecoder(lm, lambda: TransformerDecoder(base))


def assert_steps_agree(lm: RetrievalLM, tokens: np.ndarray, parts: list[int]) -> None:
    expected_TV = lm.log_probs(torch.from_numpy(tokens)[None])[0]
    decoder = make_decoder(lm)
    ends = np.cumsum(parts).tolist()
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        log_probs_V = decoder.feed(tokens[start:end].tolist())
        torch.testing.assert_close(log_probs_V, expected_TV[end - 1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("first", [1, 2, 5, 30])
@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_every_step_gives_what_reading_all_at_once_gives(architecture: str, first: int) -> None:
    tokens = random_ids(100, CONTEXT)
    lm = retrieval_lm(architecture)
    assert_steps_agree(lm, tokens, [first, *[1] * (CONTEXT - first)])
    assert isinstance(lm.base, TransformerLM)
    without_V = TransformerDecoder(lm.base).feed(tokens.tolist())
    assert float((make_decoder(lm).feed(tokens.tolist()) - without_V).abs().max()) > 1e-3


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), parts=st.lists(st.integers(1, 15), min_size=1, max_size=4))
def test_tokens_may_come_in_parts_of_any_length(seed: int, parts: list[int]) -> None:
    assert_steps_agree(retrieval_lm(), random_ids(seed, sum(parts)), parts)


def test_where_nothing_is_found_the_context_is_all() -> None:
    assert_steps_agree(retrieval_lm(nothing=True), random_ids(7, CONTEXT), [10, *[1] * 54])


def test_passages_are_searched_once_per_stride_and_steps_between_read_one_token() -> None:
    lm = retrieval_lm()
    read: list[int] = []
    assert isinstance(lm.base, TransformerLM)
    hook = lm.base.model.transformer.h[0].register_forward_pre_hook(
        lambda _, inputs: read.append(inputs[0].shape[1])
    )
    decoder = make_decoder(lm)
    tokens = random_ids(9, 18).tolist()
    decoder.feed(tokens[:9])
    for token in tokens[9:]:
        decoder.feed([token])
    hook.remove()
    assert [length > 1 for length in read] == [n in (9, 13, 17) for n in range(9, 19)]


def test_the_context_is_the_bases() -> None:
    assert make_decoder(retrieval_lm()).context_length == CONTEXT
