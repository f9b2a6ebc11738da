"""A joint model whose weight is chosen at every token, against a loop over positions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from memdec_core.router.alpha_router import AlphaRouter
from tests.memdec_core.joint.conftest import VOCABULARY, left_padded, random_prompts
from tests.oracles.joint_oracle import joint_log_probs
from tests.oracles.router_oracle import alpha, features

PROMPTS = random_prompts(3, seed=11)


def a_router(hidden: int) -> AlphaRouter:
    """Weights that make α differ clearly from one position to the next."""
    generator = np.random.default_rng(5)
    n_features = 9
    return AlphaRouter.from_arrays(
        {
            "means_F": generator.normal(size=n_features),
            "scales_F": generator.uniform(1, 3, size=n_features),
            "linear_F": generator.normal(size=n_features),
            "inner_FH": generator.normal(size=(n_features, hidden)),
            "inner_H": generator.normal(size=hidden),
            "outer_H": generator.normal(size=hidden),
            "bias": np.array(0.3),
        }
    )


def routed_oracle(
    parts: list[PreTrainedModel], router: AlphaRouter, tokens: list[int]
) -> torch.Tensor:
    """One position at a time, float64 (T, V)."""
    base_TV = joint_log_probs(parts, [0.0], tokens, VOCABULARY)
    memory_TV = joint_log_probs(parts, [1.0], tokens, VOCABULARY)
    rows = []
    for base_V, memory_V in zip(base_TV, memory_TV, strict=True):
        weight = alpha(router.arrays(), features(base_V.numpy(), memory_V.numpy()))
        rows.append(torch.log((1 - weight) * base_V.exp() + weight * memory_V.exp()))
    return torch.stack(rows)


@pytest.mark.parametrize("hidden", [0, 4])
def test_every_position_has_the_weight_that_its_router_says(
    parts: list[PreTrainedModel], tmp_path: Path, hidden: int
) -> None:
    router = a_router(hidden)
    joint = JointForCausalLM.from_models(
        parts[0], {"law": parts[1]}, {"law": 0.4}, VOCABULARY, router
    )
    joint.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert len(json.loads((tmp_path / "config.json").read_text())["router"]["means_F"]) == 9
    for prompt in PROMPTS:
        with torch.no_grad():
            logits = loaded(input_ids=torch.tensor([prompt]), alpha="router").logits[0]
            constant = loaded(input_ids=torch.tensor([prompt])).logits[0]
        actual = torch.log_softmax(logits.double(), dim=-1)
        expected = routed_oracle(parts[:2], router, prompt)
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(logits.logsumexp(-1), constant.logsumexp(-1))


def test_generation_follows_the_router(parts: list[PreTrainedModel]) -> None:
    router = a_router(4)
    joint = JointForCausalLM.from_models(
        parts[0], {"law": parts[1]}, {"law": 0.4}, VOCABULARY, router
    )
    batch = joint.generate(
        **left_padded(PROMPTS), alpha="router", max_new_tokens=6, do_sample=False
    )
    for row, prompt in zip(batch, PROMPTS, strict=True):
        tokens = list(prompt)
        for _ in range(6):
            tokens.append(int(routed_oracle(parts[:2], router, tokens)[-1].argmax()))
        assert row[-6:].tolist() == tokens[-6:]


def test_a_model_without_a_router_says_so(
    single: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    with pytest.raises(UserError, match="this model has no router"):
        single.generate(torch.tensor([[5]]), alpha="router", max_new_tokens=1)
    memories = {"law": parts[1], "biomed": parts[2]}
    weights = {"law": 0.4, "biomed": 0.2}
    with pytest.raises(UserError, match="for one memory, and there are 2"):
        JointForCausalLM.from_models(parts[0], memories, weights, VOCABULARY, a_router(4))
