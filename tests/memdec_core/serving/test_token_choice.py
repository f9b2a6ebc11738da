"""Tokens are drawn from the tempered, truncated distribution, each row from its own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.serving.token_choice import NUCLEUS, Choices, choose_tokens

PROBS = [0.1, 0.5, 0.05, 0.35]


def choose(
    scores_BV: torch.Tensor, temperature: float, top_p: float, draws: list[float]
) -> list[int]:
    """One setting for all rows, a draw for each."""
    settings = [[temperature] * len(draws), [top_p] * len(draws), draws]
    numbers = torch.tensor(settings, dtype=torch.float64)
    return choose_tokens(scores_BV, Choices(*numbers)).tolist()


def drawn(probs: list[float], temperature: float, top_p: float, count: int = 2000) -> np.ndarray:
    """Frequencies of evenly spread draws."""
    draws = ((torch.arange(count) + 0.5) / count).tolist()
    scores = torch.log(torch.tensor(probs)).expand(count, -1)
    tokens = choose(scores, temperature, top_p, draws)
    return np.bincount(tokens, minlength=len(probs)) / count


def test_no_temperature_takes_the_most_probable() -> None:
    scores = torch.randn(5, 40)
    assert choose(scores, 0.0, 0.5, [0.3] * 5) == scores.argmax(-1).tolist()


def test_frequencies_are_the_probabilities() -> None:
    np.testing.assert_allclose(drawn(PROBS, 1.0, 1.0), PROBS, atol=1e-3)


def test_temperature_sharpens() -> None:
    squared = np.square(PROBS) / np.square(PROBS).sum()
    np.testing.assert_allclose(drawn(PROBS, 0.5, 1.0), squared, atol=1e-3)
    np.testing.assert_allclose(drawn(PROBS, 1e-300, 1.0), [0, 1, 0, 0])


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.4, [1]), (0.49, [1]), (0.51, [1, 3]), (0.8, [1, 3]), (0.9, [0, 1, 3])]
)
def test_top_p_keeps_the_smallest_set_that_reaches_the_mass(top_p: float, kept: list[int]) -> None:
    expected = np.zeros(4)
    expected[kept] = np.array(PROBS)[kept] / np.array(PROBS)[kept].sum()
    np.testing.assert_allclose(drawn(PROBS, 1.0, top_p), expected, atol=1e-3)


def test_tokens_as_probable_as_the_last_kept_one_stay() -> None:
    np.testing.assert_allclose(drawn([0.5, 0.25, 0.25], 1.0, 0.7), [0.5, 0.25, 0.25], atol=1e-3)


def test_a_flat_distribution_has_a_nucleus_of_many_tokens() -> None:
    size = 4 * NUCLEUS
    tokens = drawn([1 / size + 1e-5 * (number % 2) for number in range(size)], 1.0, 0.4, 4 * size)
    kept = tokens.nonzero()[0]
    assert len(kept) > NUCLEUS
    # the odd ones are the more probable, and hold more than the mass asked for
    assert set(kept) == set(range(1, size, 2))


@given(st.floats(0, 1, exclude_min=True), st.integers(0, 100))
def test_a_token_without_probability_is_never_drawn(draw: float, seed: int) -> None:
    scores = torch.randn(1, 20, generator=torch.Generator().manual_seed(seed))
    scores[:, ::2] = -torch.inf
    (token,) = choose(scores, 1.0, 1.0, [draw])
    assert token % 2 == 1


def test_rows_choose_by_their_own_settings() -> None:
    scores = torch.log(torch.tensor([PROBS] * 4))
    choices = Choices(
        torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64),
        torch.tensor([1.0, 1.0, 0.5, 1.0], dtype=torch.float64),
        torch.tensor([0.01, 0.05, 0.01, 1.0], dtype=torch.float64),
    )
    assert choose_tokens(scores, choices).tolist() == [1, 0, 1, 3]


def test_a_row_of_nan_disturbs_no_other() -> None:
    scores = torch.log(torch.tensor([PROBS] * 3))
    scores[1] = torch.nan
    first, broken, last = choose(scores, 1.0, 0.9, [0.05] * 3)
    assert (first, last) == (0, 0)
    assert 0 <= broken < 4
