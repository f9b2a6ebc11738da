"""Routers learn weights that are known, and nothing where there is nothing to learn."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.router.alpha_router import AlphaRouter, route_scores
from memdec_core.router.alpha_router_config import AlphaRouterConfig
from memdec_core.router.router_features import FEATURES
from memdec_core.router.router_training import (
    Tokens,
    accumulate_gradient,
    fit_router,
    router_loss,
    start_router,
)
from memdec_core.scoring.alpha_search import search_alpha
from tests.oracles import router_oracle

GRID = np.linspace(0, 1, 21).tolist()
ENTROPY, SURE = FEATURES.index("memory_entropy"), FEATURES.index("base_top")
DOCUMENT = 50
Case = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


def random_features(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    return rng.normal(0, 1, (n, len(FEATURES))).astype(np.float32) * 3 + 1


def two_words(rng: np.random.Generator, share_N: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Scores where the memory says one word and the base another: the best α is its share."""
    is_memorys_N = rng.uniform(size=len(share_N)) < share_N
    says = np.log([0.001, 0.999])
    return [says[(~is_memorys_N).astype(int)], says[is_memorys_N.astype(int)]]


def entropy_case(seed: int, n: int = 6000) -> tuple[Case, NDArray[np.float64]]:
    """The memory is right nine times in ten where its entropy is low, else one in five."""
    rng = np.random.default_rng(seed)
    features_NF = random_features(rng, n)
    low_N = rng.uniform(size=n) < 0.5
    features_NF[:, ENTROPY] = np.where(low_N, 0.5, 4) + rng.normal(0, 0.1, n)
    share_N = np.where(low_N, 0.9, 0.2)
    base_N, memory_N = two_words(rng, share_N)
    return (features_NF, base_N, memory_N), share_N


def either_case(seed: int, n: int = 6000) -> tuple[Case, NDArray[np.float64]]:
    """The memory is right where exactly one of two features is high: nothing is linear in them."""
    rng = np.random.default_rng(seed)
    features_NF = random_features(rng, n)
    high_2N = rng.uniform(size=(2, n)) < 0.5
    features_NF[:, ENTROPY], features_NF[:, SURE] = np.where(high_2N, 2, -2)
    share_N = np.where(high_2N[0] != high_2N[1], 0.9, 0.2)
    base_N, memory_N = two_words(rng, share_N)
    return (features_NF, base_N, memory_N), share_N


def starts(n: int) -> NDArray[np.int64]:
    return np.arange(0, n, DOCUMENT)


def constant_of(case: Case) -> float:
    return search_alpha(case[1], case[2], GRID, refine=True).alpha


def fitted(case: Case, **changes: int) -> AlphaRouter:
    config = AlphaRouterConfig.model_validate(changes)
    return fit_router(Tokens.of(*case), starts(len(case[1])), constant_of(case), config).router


def loss_at(case: Case, alphas_N: NDArray[np.float64] | float) -> float:
    _, base_N, memory_N = case
    mixed_N = alphas_N * np.exp(memory_N) + (1 - alphas_N) * np.exp(base_N)
    return float(-np.log(mixed_N).mean())


@pytest.mark.parametrize("hidden_units", [0, 16])
def test_the_weight_follows_the_memorys_entropy_where_that_says_who_is_right(
    hidden_units: int,
) -> None:
    case, _ = entropy_case(0)
    router = fitted(case, hidden_units=hidden_units)
    unseen, share_N = entropy_case(1)
    routed = route_scores(router, *unseen)
    found = [routed.alphas_N[share_N == share].mean() for share in (0.2, 0.9)]
    assert found == pytest.approx([0.2, 0.9], abs=0.03)
    constant = loss_at(unseen, constant_of(case))
    best = loss_at(unseen, share_N)
    assert best < -routed.log_probs_N.mean() < best + 0.1 * (constant - best)


def test_a_hidden_layer_learns_what_is_not_linear() -> None:
    case, _ = either_case(0)
    unseen, share_N = either_case(1)
    constant, best = loss_at(unseen, constant_of(case)), loss_at(unseen, share_N)
    losses = {
        units: -route_scores(fitted(case, hidden_units=units), *unseen).log_probs_N.mean()
        for units in (0, 16)
    }
    assert losses[0] == pytest.approx(constant, abs=0.01)
    assert best < losses[16] < best + 0.15 * (constant - best)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_from_noise_nothing_is_learnt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 6000

    def drawn() -> Case:
        return (random_features(rng, n), *two_words(rng, np.full(n, 0.6)))

    case, unseen = drawn(), drawn()
    router = fitted(case, seed=seed)
    routed = route_scores(router, *unseen)
    assert -routed.log_probs_N.mean() == pytest.approx(loss_at(unseen, constant_of(case)), abs=0.01)
    assert np.abs(routed.alphas_N - 0.6).mean() < 0.07


def test_the_fit_starts_at_the_constant() -> None:
    case, _ = entropy_case(0, n=500)
    start = start_router(torch.from_numpy(case[0]), 0.3, AlphaRouterConfig())
    assert router_loss(start, Tokens.of(*case)) == pytest.approx(loss_at(case, 0.3), rel=1e-12)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_objective_and_gradient_are_those_of_plain_loops(
    penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memdec_core.router.router_training.ROWS_AT_ONCE", 7)
    rng = np.random.default_rng(0)
    case, _ = entropy_case(0, n=30)
    start = start_router(torch.from_numpy(case[0]), 0.4, AlphaRouterConfig(hidden_units=3))
    weights = {
        name: array if name in ("means_F", "scales_F") else array + rng.normal(0, 0.5, array.shape)
        for name, array in start.arrays().items()
    }
    trained = [name for name in weights if name not in ("means_F", "scales_F")]
    router = AlphaRouter.from_arrays({name: np.array(array) for name, array in weights.items()})
    for name in trained:
        getattr(router, name).requires_grad_()
    value = accumulate_gradient(router, Tokens.of(*case), penalty)

    def at(changed: dict[str, NDArray[np.float64]]) -> float:
        return router_oracle.objective(weights | changed, *case, penalty)

    assert value == pytest.approx(at({}), rel=1e-12)
    for name in trained:
        found = getattr(router, name).grad.numpy()
        for place in np.ndindex(found.shape):
            step = np.zeros(found.shape)
            step[place] = 1e-6
            slope = (at({name: weights[name] + step}) - at({name: weights[name] - step})) / 2e-6
            assert found[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_whole_documents_are_held_out_of_the_fit() -> None:
    case, _ = entropy_case(0, n=3000)
    config = AlphaRouterConfig(held_out=0.4, hidden_units=0, seed=8)
    fit = fit_router(Tokens.of(*case), starts(3000), 0.5, config)
    assert (fit.fitted_positions, fit.held_out_positions) == (1800, 1200)
    assert fit.steps > 0
    held_out = np.random.default_rng(8).permutation(60)[:24]
    by_document = case[0].reshape(60, DOCUMENT, -1).astype(np.float64)
    kept_NF = np.concatenate(np.delete(by_document, held_out, axis=0))
    np.testing.assert_allclose(fit.router.means_F, kept_NF.mean(axis=0), rtol=1e-9)
    features, base, memory = (
        np.concatenate(part.reshape(60, DOCUMENT, -1)[held_out]) for part in case
    )
    unseen = features, base[:, 0], memory[:, 0]
    gain = loss_at(unseen, 0.5) + route_scores(fit.router, *unseen).log_probs_N.mean()
    assert fit.held_out_gain == pytest.approx(gain)
    assert gain > 0


def test_the_same_tokens_give_the_same_router() -> None:
    case, _ = entropy_case(0, n=1000)
    first, again, other = (fitted(case, seed=seed).arrays() for seed in (0, 0, 1))
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
    assert not np.array_equal(first["inner_FH"], other["inner_FH"])


def test_a_single_document_cannot_be_held_out() -> None:
    case, _ = entropy_case(0, n=40)
    with pytest.raises(UserError, match=r"comparison\.router: .* give more validation documents"):
        fit_router(Tokens.of(*case), starts(40), 0.5, AlphaRouterConfig())


def test_of_two_documents_one_is_held_out_whatever_the_share() -> None:
    case, _ = entropy_case(0, n=100)
    for share in (0.01, 0.99):
        config = AlphaRouterConfig(held_out=share)
        fit = fit_router(Tokens.of(*case), starts(100), 0.5, config)
        assert (fit.fitted_positions, fit.held_out_positions) == (50, 50)
        assert fit.held_out_gain >= 0
