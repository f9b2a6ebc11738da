"""Verbatim runs by one forward pass, against text that is generated greedily."""

import functools
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memdec_core.decoding.decoders import (
    Decoder,
    MixtureDecoder,
    TransformerDecoder,
    generate,
)
from memdec_core.decoding.decoding_config import AuditConfig
from memdec_core.decoding.memorisation import draw_spans, verbatim_rows, verbatim_runs
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from tests.support.tiny_models import tiny_model

CONFIG = AuditConfig(prompt_tokens=5, continuation_tokens=12)
BASE = TransformerLM(tiny_model("gpt2", seed=1, width=64), 390)
MEMORY = TransformerLM(tiny_model("qwen2", seed=2, vocab_size=416), 390)
SYSTEMS: dict[str, tuple[LanguageModel, Callable[[], Decoder]]] = {
    "base": (BASE, lambda: TransformerDecoder(BASE)),
    "memory_alone": (MEMORY, lambda: TransformerDecoder(MEMORY)),
    "memory": (
        MixtureLM(BASE, MEMORY, 0.6),
        lambda: MixtureDecoder(TransformerDecoder(BASE), TransformerDecoder(MEMORY), 0.6),
    ),
}


def greedy(decoder: Decoder, prompt: list[int]) -> list[int]:
    return list(generate(decoder, prompt, CONFIG.continuation_tokens, stop_tokens=()))


@functools.cache
def written_by(author: str) -> tuple[NDArray[np.int64], list[int]]:
    """Spans (S, N) that a system continues, with one other token put in at each place; the runs."""
    _, make_decoder = SYSTEMS[author]
    rng = np.random.default_rng(7)
    spans, runs = [], []
    for place in (*range(CONFIG.continuation_tokens), None, None):
        prompt = rng.integers(1, 390, CONFIG.prompt_tokens).tolist()
        text = greedy(make_decoder(), prompt)
        if place is not None:
            text[place] = (text[place] + 1) % 390
        spans.append(prompt + text)
        runs.append(len(text) if place is None else place)
    return np.array(spans), runs


@functools.cache
def really_generated(reader: str, author: str) -> list[int]:
    """How far a system's own text agrees with each span that another has written."""
    _, make_decoder = SYSTEMS[reader]
    spans_SN, _ = written_by(author)
    return [common_start(greedy(make_decoder(), span[:5]), span[5:]) for span in spans_SN.tolist()]


def common_start(a: list[int], b: list[int]) -> int:
    differ = (i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    return next(differ, len(a))


@pytest.mark.parametrize("author", list(SYSTEMS))
@pytest.mark.parametrize("reader", list(SYSTEMS))
@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000])
def test_runs_are_those_of_text_that_is_really_generated(
    author: str, reader: str, batch_tokens: int
) -> None:
    spans_SN, written = written_by(author)
    lm, _ = SYSTEMS[reader]
    expected = really_generated(reader, author)
    if author == reader:
        assert expected == written
    stream, fractions = spans_SN.flatten(), list[float]()
    runs_S = verbatim_runs(
        lm,
        np.arange(len(spans_SN)) * CONFIG.span_tokens,
        lambda start, stop: stream[start:stop],
        CONFIG,
        batch_tokens=batch_tokens,
        on_progress=fractions.append,
    )
    assert runs_S.tolist() == expected
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


class TiedLM:
    """Gives tokens 3 and 5 the same and the greatest probability."""

    vocab_size = 8

    def log_probs(self, tokens_BT: torch.Tensor) -> torch.Tensor:
        logits_V = torch.tensor([0.0, 0, 0, 2, 1, 2, 0, 0])
        return torch.log_softmax(logits_V, dim=-1).expand(*tokens_BT.shape, 8)

    def feed(self, tokens: list[int]) -> torch.Tensor:
        return self.log_probs(torch.tensor([tokens]))[0, -1]

    context_length = None


@pytest.mark.parametrize(("token", "run"), [(3, 12), (5, 0)])
def test_of_equal_probabilities_both_take_the_smallest_id(token: int, run: int) -> None:
    span = np.array([1] * 5 + [token] * 12)
    runs_S = verbatim_runs(
        TiedLM(), np.array([0]), lambda start, stop: span[start:stop], CONFIG, batch_tokens=99
    )
    assert runs_S.tolist() == [run]
    assert common_start(greedy(TiedLM(), [1] * 5), [token] * 12) == run


lengths = st.lists(st.integers(0, 40), min_size=1, max_size=12)


@given(lengths, st.integers(1, 20), st.integers(0, 5))
def test_spans_are_disjoint_and_each_in_one_document(
    lengths: list[int], wanted: int, seed: int
) -> None:
    config = AuditConfig(spans=wanted, prompt_tokens=4, continuation_tokens=3, seed=seed)
    offsets_D1 = np.cumsum([0, *lengths])
    starts_S = draw_spans(offsets_D1, config)
    assert len(starts_S) == min(wanted, sum(length // 7 for length in lengths))
    assert (np.diff(starts_S) >= 7).all()
    for start in starts_S:
        assert any(first <= start and start + 7 <= end for first, end in pairwise(offsets_D1))
    assert draw_spans(offsets_D1, config).tolist() == starts_S.tolist()


def test_every_place_of_a_document_can_be_drawn() -> None:
    seen = set()
    for seed in range(300):
        config = AuditConfig(spans=1, prompt_tokens=2, continuation_tokens=1, seed=seed)
        seen.update(draw_spans(np.array([0, 2, 10]), config).tolist())
    assert seen == set(range(2, 8))


def test_rows_hold_share_mean_and_longest_with_intervals_over_spans() -> None:
    runs_S = np.array([12] * 10 + [6] * 10 + [0] * 20)
    share, mean, longest = verbatim_rows("memory", "gpt2", "train", runs_S, CONFIG)
    assert share[:5] == ("memory", "gpt2", "train", "verbatim_share", 0.25)
    assert mean[:5] == ("memory", "gpt2", "train", "verbatim_tokens", 4.5)
    assert longest == ("memory", "gpt2", "train", "verbatim_longest", 12.0, None, None, 40)
    for row, deviation in ((share, np.sqrt(0.25 * 0.75 / 40)), (mean, runs_S.std() / np.sqrt(40))):
        assert row.n == 40
        assert row.ci_low == pytest.approx(row.value - 1.96 * deviation, abs=0.3 * deviation)
        assert row.ci_high == pytest.approx(row.value + 1.96 * deviation, abs=0.3 * deviation)


def test_a_run_of_all_but_one_token_is_not_the_whole() -> None:
    share, _mean, longest = verbatim_rows("base", "gpt2", "test", np.array([11, 11]), CONFIG)
    assert share.value == 0
    assert longest.value == 11
