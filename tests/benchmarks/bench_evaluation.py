"""Scoring a split: ours against the plain loop of evaluation scripts.

The reference takes one window at a time, pads it to the full length, and makes the log-softmax of
all positions over the whole vocabulary, of which it keeps the scored tokens.
"""

from functools import partial
from typing import Literal

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from memdec_core.models.language_model import TransformerLM
from memdec_core.scoring.perplexity import split_log_probs
from memdec_core.windows.windows import WindowConfig, make_windows
from tests.benchmarks.interleaved import BenchRow, Work, compare

VOCABULARY = 50_257
LENGTH, STRIDE = 1024, 512
BATCH_TOKENS = 8192

Scope = Literal["document", "stream"]


def run() -> list[BenchRow]:
    """A small GPT-2 with the full vocabulary, on short documents and on one long stream."""
    works: list[tuple[Scope, int, str]] = [
        ("document", 4, "4 documents of about 200 tokens, V = 50,257"),
        ("stream", 6, "one stream of about 1,100 tokens, windows 1024/512, V = 50,257"),
    ]
    return [
        compare(
            "evaluation",
            what,
            "tokens",
            ours=partial(ours, scope, documents),
            reference=partial(reference, scope, documents),
            rounds=2,
        )
        for scope, documents, what in works
    ]


def ours(scope: Scope, documents: int) -> Work:
    """The scorer of the evaluation stage."""
    windows_W4, tokens_T = inputs(scope, documents)
    lm = TransformerLM(small_gpt2(), VOCABULARY)

    def work() -> int:
        scores_N = split_log_probs(
            lm, windows_W4, lambda start, stop: tokens_T[start:stop], batch_tokens=BATCH_TOKENS
        )
        return len(scores_N)

    return work


def reference(scope: Scope, documents: int) -> Work:
    """The plain loop."""
    windows_W4, tokens_T = inputs(scope, documents)
    model = small_gpt2()

    @torch.no_grad()
    def work() -> int:
        scores: list[float] = []
        for start, first, end, _row in windows_W4:
            length = end - start
            input_ids = torch.zeros(1, LENGTH, dtype=torch.long)
            input_ids[0, :length] = torch.from_numpy(tokens_T[start:end])
            mask = (torch.arange(LENGTH) < length).long().unsqueeze(0)
            log_probs = model(input_ids=input_ids, attention_mask=mask).logits.log_softmax(dim=-1)
            new = torch.arange(first - start, length)
            scores += log_probs[0, new - 1, input_ids[0, new]].tolist()
        return len(scores)

    return work


def inputs(scope: Scope, documents: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows over documents of 20 to 400 tokens, and their random tokens."""
    rng = np.random.default_rng(0)
    offsets_D1 = np.concatenate([[0], np.cumsum(rng.integers(20, 400, size=documents))])
    tokens_T = rng.integers(VOCABULARY, size=offsets_D1[-1])
    config = WindowConfig(length=LENGTH, stride=STRIDE, scope=scope)
    return make_windows(offsets_D1, config), tokens_T


def small_gpt2() -> PreTrainedModel:
    """Four layers of width 256, random weights."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=256, n_layer=4, n_head=4)
    return GPT2LMHeadModel(config).eval()
