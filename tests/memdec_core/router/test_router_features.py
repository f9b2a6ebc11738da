"""Features against float64 loops, and over the windows of a stream against plain forward passes."""

import numpy as np
import pytest
import torch

from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.router.router_features import FEATURES, router_features, split_router_features
from memdec_core.windows.windows import WindowConfig, make_windows
from tests.oracles import router_oracle
from tests.support.tiny_models import tiny_model

VOCABULARY = 390
TOKENS = np.random.default_rng(3).integers(0, VOCABULARY, 90)
WINDOWS = make_windows(np.array([0, 40, 41, 90]), WindowConfig(length=16, stride=8))


def two_models() -> tuple[LanguageModel, LanguageModel]:
    base = TransformerLM(tiny_model("gpt2", seed=1, width=64), VOCABULARY)
    return base, TransformerLM(tiny_model("qwen2", seed=2, vocab_size=416), VOCABULARY)


@pytest.mark.parametrize("spread", [0.1, 1.0, 8.0])
def test_features_are_those_of_plain_float64_loops(spread: float) -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(0, spread, (2, 50, 30)))
    logits[1, :10] = logits[0, :10]
    base_PV, memory_PV = torch.log_softmax(logits, dim=-1)
    found_PF = router_features(base_PV.float(), memory_PV.float())
    pairs = zip(base_PV.numpy(), memory_PV.numpy(), strict=True)
    expected_PF = np.stack([router_oracle.features(b, m) for b, m in pairs])
    assert found_PF.dtype == torch.float32
    assert found_PF.shape == (50, len(FEATURES))
    np.testing.assert_allclose(found_PF.numpy(), expected_PF, rtol=2e-5, atol=2e-5)


def test_a_distribution_by_hand() -> None:
    base, memory = torch.tensor([[0.5, 0.5, 0.0]]).log(), torch.tensor([[0.25, 0.0, 0.75]]).log()
    (found_F,) = router_features(base, memory).tolist()
    named = dict(zip(FEATURES, found_F, strict=True))
    assert named["base_entropy"] == pytest.approx(np.log(2))
    assert named["memory_entropy"] == pytest.approx(0.75 * np.log(4 / 3) + 0.25 * np.log(4))
    assert named["memory_top"] == pytest.approx(np.log(0.75))
    assert named["same_top"] == 0
    assert named["base_of_memory_top"] == -100
    assert named["memory_of_base_top"] == pytest.approx(np.log(0.25))
    assert named["kl_memory_base"] == pytest.approx(
        0.75 * (np.log(0.75) + 100) + 0.25 * np.log(0.5), rel=1e-5
    )
    assert all(np.isfinite(value) for value in found_F)


@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_every_position_of_a_stream_has_its_own_features(batch_tokens: int) -> None:
    base, memory = two_models()
    fractions: list[float] = []
    found_NF = split_router_features(
        base,
        memory,
        WINDOWS,
        lambda start, stop: TOKENS[start:stop],
        batch_tokens=batch_tokens,
        on_progress=fractions.append,
    )
    rows = []
    for start, first, end, _row in WINDOWS:
        window = torch.from_numpy(TOKENS[start:end])[None]
        base_TV, memory_TV = (lm.log_probs(window)[0].double().numpy() for lm in (base, memory))
        predicting = range(first - start - 1, end - start - 1)
        rows += [router_oracle.features(base_TV[t], memory_TV[t]) for t in predicting]
    assert found_NF.dtype == np.float32
    np.testing.assert_allclose(found_NF, np.stack(rows), rtol=1e-4, atol=1e-4)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_a_long_batch_is_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(start: int, stop: int) -> np.ndarray:
        return TOKENS[start:stop]

    at_once_NF = split_router_features(*two_models(), WINDOWS, read, batch_tokens=500)
    monkeypatch.setattr("memdec_core.router.router_features.BLOCK_ENTRIES", 3 * VOCABULARY)
    in_blocks_NF = split_router_features(*two_models(), WINDOWS, read, batch_tokens=500)
    np.testing.assert_allclose(in_blocks_NF, at_once_NF, rtol=1e-5, atol=1e-5)


def test_models_without_chunks_of_their_own_are_read_too() -> None:
    base, memory = two_models()
    joint = MixtureLM(base, memory, 0.0)
    plain_NF, joint_NF = (
        split_router_features(
            lm, lm, WINDOWS, lambda start, stop: TOKENS[start:stop], batch_tokens=100
        )
        for lm in (base, joint)
    )
    np.testing.assert_allclose(plain_NF, joint_NF, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(plain_NF[:, FEATURES.index("kl_memory_base")], 0, atol=1e-6)
    assert (plain_NF[:, FEATURES.index("same_top")] == 1).all()
