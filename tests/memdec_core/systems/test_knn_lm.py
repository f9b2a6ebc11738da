"""kNN-LM is the base mixed with softmaxes over the nearest of all keys, compared by hand."""

from functools import cache

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM, token_log_probs
from memdec_core.search.neighbour_search import Datastore, search_unseen
from memdec_core.search.neighbours import Neighbours
from memdec_core.systems import knn_lm
from memdec_core.systems.knn_lm import KnnLM
from tests.oracles.embeddings_oracle import full_forward_keys
from tests.oracles.knn_oracle import KnnKnobs, array_blocks, knn_lm_distributions
from tests.support.tiny_models import tiny_model

ARCHITECTURES = ["gpt2", "qwen2", "llama"]
VOCAB = 390
KNOBS = KnnKnobs(VOCAB, k=12, tau=4.0, weight=0.6)


def some_tokens(rows: int = 3, length: int = 20, seed: int = 5) -> torch.Tensor:
    return torch.randint(VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


@cache
def embedded(architecture: str) -> tuple[PreTrainedModel, np.ndarray, np.ndarray]:
    """A model, the keys of some texts, and values of only a few tokens, so that masses add up."""
    model = tiny_model(architecture, vocab_size=400)
    texts = some_tokens(6, 50, seed=1).tolist()
    keys = np.concatenate([full_forward_keys(model, text) for text in texts]).astype(np.float16)
    return model, keys, np.random.default_rng(3).integers(0, 15, len(keys)).astype(np.uint32)


def make_lm(architecture: str = "gpt2", knobs: KnnKnobs = KNOBS) -> KnnLM:
    model, keys, values = embedded(architecture)
    index = faiss.IndexFlatL2(keys.shape[1])
    index.add(keys.astype(np.float32))
    return KnnLM(
        TransformerLM(model, knobs.vocab_size),
        Datastore(index, lambda: array_blocks(keys)),
        values,
        k=knobs.k,
        tau=knobs.tau,
        weight=knobs.weight,
    )


def expected_log_probs(
    tokens_BT: torch.Tensor, architecture: str = "gpt2", knobs: KnnKnobs = KNOBS
) -> torch.Tensor:
    rows = [knn_lm_distributions(*_oracle_inputs(architecture, row, knobs)) for row in tokens_BT]
    return torch.from_numpy(np.log(np.stack(rows)))


def _oracle_inputs(architecture: str, row: torch.Tensor, knobs: KnnKnobs) -> tuple:
    model, keys, values = embedded(architecture)
    return model, row.tolist(), keys, values, knobs


def assert_nearly_all_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Compares positions, each by its worst token.

    A key on the edge of two float16 may fall on either side, and with it a k-th neighbour.
    """
    assert actual.shape == expected.shape
    worst_P = (actual.double() - expected).abs().reshape(-1, actual.shape[-1]).amax(dim=1)
    assert float((worst_P < 1e-5).double().mean()) > 0.9


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_distributions_are_those_of_comparing_everything_by_hand(architecture: str) -> None:
    tokens_BT = some_tokens()
    log_probs = make_lm(architecture).log_probs(tokens_BT)
    assert log_probs.dtype == torch.float32
    assert_nearly_all_close(log_probs, expected_log_probs(tokens_BT, architecture))


@pytest.mark.parametrize("knobs", [KNOBS, KnnKnobs(VOCAB, k=1000, tau=9.0, weight=0.2)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scored_tokens_are_picked_from_the_distributions(
    architecture: str, knobs: KnnKnobs
) -> None:
    tokens_BT = some_tokens()
    tokens_BT[:, ::2] %= 15  # so that neighbours have half of the labels
    scored_BT = (torch.arange(20) >= torch.tensor([1, 7, 16])[:, None]).clone()
    scored_BT[0, 15:] = False  # as in a window that padding fills up
    scores = token_log_probs(make_lm(architecture, knobs), tokens_BT, scored_BT)
    assert scores.dtype == torch.float32
    rows = expected_log_probs(tokens_BT, architecture, knobs)[:, :-1]
    picked = rows.gather(2, tokens_BT[:, 1:, None]).squeeze(2)[scored_BT[:, 1:]]
    assert_nearly_all_close(scores[:, None], picked[:, None])


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1000),
    k=st.sampled_from([1, 5, 300, 1000]),
    tau=st.sampled_from([1e-3, 1.0, 100.0]),
    weight=st.sampled_from([0.0, 0.25, 0.9, 1.0]),
)
def test_probabilities_sum_to_one(seed: int, k: int, tau: float, weight: float) -> None:
    lm = make_lm(knobs=KnnKnobs(VOCAB, k, tau, weight))
    sums_BT = lm.log_probs(some_tokens(2, 9, seed)).exp().sum(-1)
    torch.testing.assert_close(sums_BT, torch.ones(2, 9), atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weight_zero_is_the_base_to_the_bit(architecture: str) -> None:
    lm = make_lm(architecture, KNOBS._replace(weight=0.0))
    tokens_BT = some_tokens()
    scored_BT = (torch.arange(20) >= 4).expand_as(tokens_BT)
    assert torch.equal(lm.log_probs(tokens_BT), lm.base.log_probs(tokens_BT))
    assert torch.equal(
        lm.token_log_probs(tokens_BT, scored_BT), lm.base.token_log_probs(tokens_BT, scored_BT)
    )


def test_with_all_the_weight_what_follows_no_neighbour_is_impossible() -> None:
    tokens_BT = some_tokens(1, 12) % 30
    scored_BT = (torch.arange(12) >= 1).expand_as(tokens_BT)
    scores = make_lm(knobs=KNOBS._replace(weight=1.0)).token_log_probs(tokens_BT, scored_BT)
    impossible = tokens_BT[0, 1:] >= 15
    assert impossible.any()
    assert torch.isneginf(scores[impossible]).all()
    assert torch.isfinite(scores).any()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), padding=st.integers(0, 30), filler=st.integers(0, VOCAB - 1))
def test_batch_size_and_padding_change_no_score(seed: int, padding: int, filler: int) -> None:
    lm = make_lm(knobs=KNOBS._replace(k=300))  # all rows: no k-th neighbour to flip
    tokens_BT = some_tokens(3, 12, seed) % 15
    scored_BT = (torch.arange(12) >= 3).expand_as(tokens_BT)
    alone = [lm.token_log_probs(tokens_BT[[b]], scored_BT[[b]]) for b in range(3)]
    padded_BT = torch.cat([tokens_BT, torch.full((3, padding), filler)], dim=1)
    unscored = torch.zeros(3, padding, dtype=torch.bool)
    together = lm.token_log_probs(padded_BT, torch.cat([scored_BT, unscored], dim=1))
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-3, rtol=0)


def test_one_forward_pass_gives_logits_and_keys_rounded_as_the_datastores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[NDArray[np.floating]] = []

    def spy(datastore: Datastore, keys: NDArray[np.floating], k: int) -> Neighbours:
        searched.append(keys)
        return search_unseen(datastore, keys, k)

    monkeypatch.setattr(knn_lm, "search_unseen", spy)
    lm = make_lm()
    passes: list[None] = []
    hook = lm.base.model.base_model.register_forward_hook(lambda *_: passes.append(None))
    lm.log_probs(some_tokens())
    lm.token_log_probs(some_tokens(), (torch.arange(20) >= 15).expand(3, 20))
    hook.remove()
    assert len(passes) == 2
    assert [len(keys) for keys in searched] == [60, 15]
    for keys in searched:
        np.testing.assert_array_equal(keys, keys.astype(np.float16))


def test_the_base_is_left_as_it_was() -> None:
    model = embedded("gpt2")[0]
    lm = make_lm()
    lm.log_probs(some_tokens())
    hooked = [module for module in model.modules() if module._forward_pre_hooks]
    assert hooked == []


def test_the_datastore_of_another_base_is_the_users_mistake() -> None:
    lm = make_lm()
    wider = TransformerLM(tiny_model(width=64), VOCAB)
    with pytest.raises(UserError, match="32 entries and the base's 64"):
        KnnLM(wider, lm.datastore, lm.next_token_N, k=1, tau=1.0, weight=0.5)


def test_values_that_the_base_has_no_probability_for_are_the_users_mistake() -> None:
    lm = make_lm()
    with pytest.raises(UserError, match="token id 390 and the base 390 tokens"):
        KnnLM(lm.base, lm.datastore, np.full(300, VOCAB), k=1, tau=1.0, weight=0.5)


def test_a_weight_outside_zero_to_one_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"weight is -0\.1"):
        make_lm(knobs=KNOBS._replace(weight=-0.1))


def test_keys_beyond_float16_are_refused() -> None:
    model = tiny_model("gpt2")
    torch.nn.init.constant_(model.get_submodule("transformer.h.1.ln_2").weight, 1e6)
    lm = make_lm()
    damaged = KnnLM(
        TransformerLM(model, VOCAB), lm.datastore, lm.next_token_N, k=1, tau=1.0, weight=0.5
    )
    with pytest.raises(UserError, match=r"h\.1\.mlp.*float16, which ends at 65504"):
        damaged.log_probs(some_tokens())
