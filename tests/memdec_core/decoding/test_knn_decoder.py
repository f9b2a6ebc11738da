"""A kNN-LM that is fed token by token gives the distributions of one that reads all at once."""

import faiss
import numpy as np
import pytest
import torch

from memdec_core.decoding.decoders import TransformerDecoder
from memdec_core.decoding.system_decoders import KnnDecoder
from memdec_core.models.language_model import TransformerLM
from memdec_core.search.neighbour_search import Datastore
from memdec_core.systems.knn_lm import KnnLM
from tests.oracles.embeddings_oracle import full_forward_keys
from tests.oracles.knn_oracle import array_blocks
from tests.support.tiny_models import tiny_model

VOCAB = 390
K = 200
PARTS = [7, 1, 1, 5, 1, 1, 1]
"""Tokens fed at a time, a prompt first."""


def some_tokens(rows: int, length: int, seed: int) -> torch.Tensor:
    return torch.randint(VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


def make_lm(architecture: str, weight: float = 0.6) -> KnnLM:
    """All rows are neighbours: none that a key's last bit decides on."""
    model = tiny_model(architecture, vocab_size=400)
    texts = some_tokens(4, 50, seed=1).tolist()
    keys = np.concatenate([full_forward_keys(model, text) for text in texts]).astype(np.float16)
    values = np.random.default_rng(3).integers(0, 15, len(keys)).astype(np.uint32)
    index = faiss.IndexFlatL2(keys.shape[1])
    index.add(keys.astype(np.float32))
    datastore = Datastore(index, lambda: array_blocks(keys))
    return KnnLM(TransformerLM(model, VOCAB), datastore, values, k=K, tau=4.0, weight=weight)


@pytest.mark.parametrize("weight", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("architecture", ["gpt2", "qwen2", "llama"])
def test_every_step_gives_what_a_whole_forward_pass_gives(architecture: str, weight: float) -> None:
    lm = make_lm(architecture, weight)
    tokens_1T = some_tokens(1, sum(PARTS), seed=5)
    expected_TV = lm.log_probs(tokens_1T)[0]
    decoder = KnnDecoder(lm)
    ends = np.cumsum(PARTS).tolist()
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        log_probs_V = decoder.feed(tokens_1T[0, start:end].tolist())
        assert log_probs_V.dtype == torch.float32
        torch.testing.assert_close(log_probs_V, expected_TV[end - 1], atol=2e-3, rtol=0)


def test_the_neighbours_count() -> None:
    tokens = some_tokens(1, 9, seed=5)[0].tolist()
    lm = make_lm("gpt2")
    mixed_V = KnnDecoder(lm).feed(tokens)
    assert float((mixed_V - TransformerDecoder(lm.base).feed(tokens)).abs().max()) > 0.1


def test_one_pass_per_step_reads_only_what_is_new() -> None:
    lm = make_lm("gpt2")
    widths: list[int] = []
    hook = lm.base.model.get_output_embeddings().register_forward_pre_hook(
        lambda _, inputs: widths.append(inputs[0].shape[1])
    )
    read: list[int] = []
    body = lm.base.model.transformer.h[0].register_forward_pre_hook(
        lambda _, inputs: read.append(inputs[0].shape[1])
    )
    decoder = KnnDecoder(lm)
    decoder.feed([1, 2, 3, 4])
    decoder.feed([5])
    hook.remove()
    body.remove()
    assert read == [4, 1]
    assert widths == [1, 1]


def test_the_base_is_left_as_it_was() -> None:
    lm = make_lm("gpt2")
    KnnDecoder(lm).feed([1, 2, 3])
    assert not any(module._forward_pre_hooks for module in lm.base.model.modules())


def test_the_context_is_the_bases() -> None:
    assert KnnDecoder(make_lm("gpt2")).context_length == 256
