"""The mixture is one of probabilities, exact at its ends."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM, token_log_probs
from memdec_core.models.mixture import MixtureLM, mix_token_log_probs
from tests.oracles.perplexity_oracle import mixture_log_prob
from tests.support.tiny_models import tiny_model

log_prob = st.floats(-600, 0)


def two_models() -> tuple[TransformerLM, TransformerLM]:
    base = TransformerLM(tiny_model("gpt2", seed=1), 390)
    return base, TransformerLM(tiny_model("qwen2", seed=2, vocab_size=416), 390)


@given(base=log_prob, memory=log_prob, alpha=st.floats(0.001, 0.999))
def test_the_mixture_is_one_of_probabilities(base: float, memory: float, alpha: float) -> None:
    mixed = mix_token_log_probs(np.array([base]), np.array([memory]), alpha)
    assert math.isclose(mixed[0], mixture_log_prob(base, memory, alpha), abs_tol=1e-9)


def test_probabilities_too_small_for_a_float_still_mix() -> None:
    mixed = mix_token_log_probs(np.array([-2000.0]), np.array([-3000.0]), 0.5)
    assert mixed[0] == pytest.approx(-2000 - math.log(2))


def test_alpha_zero_is_the_base_and_one_the_memory_to_the_bit() -> None:
    base, memory = two_models()
    tokens_BT = torch.arange(40).reshape(2, 20)
    assert torch.equal(MixtureLM(base, memory, 0.0).log_probs(tokens_BT), base.log_probs(tokens_BT))
    assert torch.equal(
        MixtureLM(base, memory, 1.0).log_probs(tokens_BT), memory.log_probs(tokens_BT)
    )


def test_a_mixture_of_models_with_padded_vocabularies_sums_to_one() -> None:
    log_probs = MixtureLM(*two_models(), 0.3).log_probs(torch.arange(40).reshape(2, 20))
    assert log_probs.shape == (2, 20, 390)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 20))


def test_scored_tokens_of_a_mixture_are_picked_from_its_distribution() -> None:
    mixture = MixtureLM(*two_models(), 0.6)
    tokens_BT = torch.arange(40).reshape(2, 20)
    scored_BT = (torch.arange(20) >= 12).expand_as(tokens_BT)
    expected = mixture.log_probs(tokens_BT)[:, 11:-1].gather(2, tokens_BT[:, 12:, None]).flatten()
    torch.testing.assert_close(
        token_log_probs(mixture, tokens_BT, scored_BT), expected, atol=1e-5, rtol=0
    )


def test_an_alpha_outside_zero_to_one_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"alpha is 1\.2"):
        MixtureLM(*two_models(), 1.2)
