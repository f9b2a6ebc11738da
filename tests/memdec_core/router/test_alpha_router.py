"""A routed mixture is one of probabilities, with the weight that the router gives each position."""

import numpy as np
import pytest
import torch

from memdec_core.models.mixture import mix_log_probs
from memdec_core.router.alpha_router import (
    AlphaRouter,
    mix_with_router,
    route_scores,
)
from memdec_core.router.alpha_router_config import AlphaRouterConfig
from memdec_core.router.router_features import FEATURES, router_features
from memdec_core.router.router_training import start_router
from tests.oracles import router_oracle

RNG = np.random.default_rng(5)
LOGITS = torch.from_numpy(RNG.normal(0, 2, (2, 40, 25)))
BASE, MEMORY = torch.log_softmax(LOGITS, dim=-1).float()


def random_router(hidden: int) -> AlphaRouter:
    width = len(FEATURES)
    shapes = {
        "linear_F": (width,),
        "inner_FH": (width, hidden),
        "inner_H": (hidden,),
        "outer_H": (hidden,),
        "bias": (),
    }
    rng = np.random.default_rng(hidden)
    arrays = {name: np.array(rng.normal(0, 1, shape)) for name, shape in shapes.items()}
    near = {
        "means_F": router_features(BASE, MEMORY).double().mean(dim=0).numpy(),
        "scales_F": rng.uniform(1, 3, width),
    }
    return AlphaRouter.from_arrays(arrays | near)


@pytest.mark.parametrize("hidden", [0, 1, 6])
def test_every_position_is_mixed_with_its_own_weight(hidden: int) -> None:
    router = random_router(hidden)
    mixed_BV, alphas_B = mix_with_router(BASE, MEMORY, router)
    for mixed_V, alpha, base_V, memory_V in zip(
        *(each.double().numpy() for each in (mixed_BV, alphas_B, BASE, MEMORY)), strict=True
    ):
        expected = router_oracle.alpha(router.arrays(), router_oracle.features(base_V, memory_V))
        assert alpha == pytest.approx(expected, abs=1e-5)
        joint_V = expected * np.exp(memory_V) + (1 - expected) * np.exp(base_V)
        np.testing.assert_allclose(np.exp(mixed_V), joint_V, rtol=1e-4)
    assert alphas_B.std() > 0.05
    assert mixed_BV.dtype == torch.float32
    torch.testing.assert_close(mixed_BV.exp().sum(dim=-1), torch.ones(len(BASE)))


def test_scores_are_mixed_as_distributions_are() -> None:
    router, tokens_B1 = random_router(3), torch.arange(len(BASE)).remainder(25).unsqueeze(1)
    mixed_BV, alphas_B = mix_with_router(BASE, MEMORY, router)
    base_N, memory_N = (each.gather(1, tokens_B1)[:, 0].double().numpy() for each in (BASE, MEMORY))
    scores = route_scores(router, router_features(BASE, MEMORY).numpy(), base_N, memory_N)
    expected_N = mixed_BV.gather(1, tokens_B1)[:, 0].numpy()
    np.testing.assert_allclose(scores.log_probs_N, expected_N, rtol=1e-5)
    np.testing.assert_allclose(scores.alphas_N, alphas_B.numpy(), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.02, 0.55, 0.98])
@pytest.mark.parametrize("hidden", [0, 4])
def test_an_untrained_router_is_the_constant(alpha: float, hidden: int) -> None:
    config = AlphaRouterConfig(hidden_units=hidden)
    router = start_router(router_features(BASE, MEMORY), alpha, config)
    mixed_BV, alphas_B = mix_with_router(BASE, MEMORY, router)
    np.testing.assert_allclose(alphas_B.numpy(), alpha, rtol=1e-12)
    torch.testing.assert_close(mixed_BV, mix_log_probs(BASE, MEMORY, alpha))


def test_a_constant_of_zero_or_one_is_approached() -> None:
    features_NF = router_features(BASE, MEMORY)
    for alpha, near in ((0.0, 0.001), (1.0, 0.999)):
        router = start_router(features_NF, alpha, AlphaRouterConfig())
        np.testing.assert_allclose(torch.sigmoid(router.logits(features_NF)).numpy(), near)


def test_features_are_standardised_and_one_that_never_varies_is_harmless() -> None:
    features_NF = router_features(BASE, MEMORY)
    features_NF[:, 4] = 1.0
    router = start_router(features_NF, 0.5, AlphaRouterConfig())
    np.testing.assert_allclose(router.means_F, features_NF.double().mean(dim=0), rtol=1e-12)
    expected_F = features_NF.double().numpy().std(axis=0)
    expected_F[4] = 1.0
    np.testing.assert_allclose(router.scales_F, expected_F, rtol=1e-12)


def test_a_feature_far_from_all_that_was_seen_counts_as_five_deviations() -> None:
    router = random_router(3)
    signs_F = torch.where(torch.arange(len(FEATURES)) % 2 == 0, 1.0, -1.0)
    at_five, far = (
        router.logits((router.means_F + factor * signs_F * router.scales_F)[None])
        for factor in (5, 1e6)
    )
    torch.testing.assert_close(at_five, far)


def test_weights_survive_arrays() -> None:
    router = random_router(2)
    again = AlphaRouter.from_arrays(router.arrays()).to(torch.device("cpu"))
    features_NF = router_features(BASE, MEMORY)
    assert torch.equal(router.logits(features_NF), again.logits(features_NF))
