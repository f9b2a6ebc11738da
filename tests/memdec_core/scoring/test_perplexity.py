"""Every position is scored once, as a plain sliding-window loop scores it."""

from itertools import pairwise

import numpy as np
import pytest

from memdec_core.models.language_model import TransformerLM
from memdec_core.scoring.perplexity import perplexity, split_log_probs
from memdec_core.windows.windows import WindowConfig, make_windows
from tests.oracles.perplexity_oracle import sliding_window_log_probs
from tests.support.tiny_models import tiny_model

DOCUMENTS = [40, 1, 7, 130, 2, 64, 33]
OFFSETS = np.concatenate([[0], np.cumsum(DOCUMENTS)]).astype(np.int64)
TOKENS = np.random.default_rng(3).integers(390, size=OFFSETS[-1])


def read_tokens(start: int, stop: int) -> np.ndarray:
    return TOKENS[start:stop].astype(np.uint16)


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_stream_scores_equal_a_plain_sliding_window_loop(architecture: str) -> None:
    model = tiny_model(architecture)
    windows = make_windows(OFFSETS, WindowConfig(length=32, stride=16, scope="stream"))
    scores = split_log_probs(TransformerLM(model, 390), windows, read_tokens, batch_tokens=100)
    expected = sliding_window_log_probs(model, TOKENS, 32, 16, 390)
    np.testing.assert_allclose(scores, expected, atol=1e-5, rtol=0)


def test_document_scores_equal_a_plain_loop_over_documents() -> None:
    model = tiny_model()
    windows = make_windows(OFFSETS, WindowConfig(length=48, stride=24, scope="document"))
    scores = split_log_probs(TransformerLM(model, 390), windows, read_tokens, batch_tokens=200)
    expected = [
        sliding_window_log_probs(model, TOKENS[start:end], 48, 24, 390)
        for start, end in pairwise(OFFSETS)
    ]
    np.testing.assert_allclose(scores, np.concatenate(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_tokens", [1, 64, 90, 1000])
def test_the_batch_size_changes_no_score(batch_tokens: int) -> None:
    lm = TransformerLM(tiny_model(), 390)
    windows = make_windows(OFFSETS, WindowConfig(length=64, stride=32))
    one_batch = split_log_probs(lm, windows, read_tokens, batch_tokens=10**6)
    scores = split_log_probs(lm, windows, read_tokens, batch_tokens=batch_tokens)
    np.testing.assert_allclose(scores, one_batch, atol=1e-5, rtol=0)


def test_a_sample_of_windows_gets_the_scores_it_has_among_all() -> None:
    lm = TransformerLM(tiny_model(), 390)
    windows = make_windows(OFFSETS, WindowConfig(length=64, stride=32))
    scores = split_log_probs(lm, windows, read_tokens, batch_tokens=300)
    sample = windows[[1, 4]]
    rows = np.concatenate([np.arange(r, r + end - first) for _s, first, end, r in sample])
    of_sample = split_log_probs(lm, sample, read_tokens, batch_tokens=300)
    np.testing.assert_allclose(of_sample, scores[rows], atol=1e-5, rtol=0)


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    windows = make_windows(OFFSETS, WindowConfig(length=64, stride=32))
    lm = TransformerLM(tiny_model(), 390)
    split_log_probs(lm, windows, read_tokens, batch_tokens=128, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_the_perplexity_of_a_uniform_model_is_its_vocabulary() -> None:
    assert perplexity(np.full(10, -np.log(50.0))) == pytest.approx(50)
