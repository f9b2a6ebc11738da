"""Each row's mixture is the weighted mean of probabilities, with weights of its own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memdec_core.models.mixture import mix_log_probs
from memdec_core.serving.row_mixture import log_weights, mix_rows, token_scores


def random_parts(parts: int, rows: int, vocab: int, *, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(parts, rows, vocab, generator=generator)
    return list(torch.log_softmax(logits, dim=-1))


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_rows_are_mixed_as_probabilities_in_float64(parts: int, rows: int, seed: int) -> None:
    parts_PNV = random_parts(parts, rows, 30, seed=seed)
    shares_NP = np.random.default_rng(seed).dirichlet(np.ones(parts), rows)
    logs_NP = torch.tensor([log_weights(shares[1:]) for shares in shares_NP.tolist()])
    probs_PNV = np.exp(torch.stack(parts_PNV).double().numpy())
    expected_NV = np.log(np.einsum("np,pnv->nv", shares_NP, probs_PNV))
    np.testing.assert_allclose(mix_rows(logs_NP, parts_PNV), expected_NV, atol=2e-5)


def test_a_part_with_all_the_weight_is_given_to_the_bit() -> None:
    parts_PNV = random_parts(3, 4, 50)
    parts_PNV[1][2, 7] = -math.inf
    parts_PNV[0][2, 8] = -math.inf
    weights = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    mixed_NV = mix_rows(torch.tensor([log_weights(row) for row in weights]), parts_PNV)
    for row, part in enumerate([0, 1, 2, 0]):
        assert torch.equal(mixed_NV[row], parts_PNV[part][row])


def test_one_memory_is_mixed_as_elsewhere() -> None:
    base, memory = random_parts(2, 3, 50)
    mixed = mix_rows(torch.tensor([log_weights([0.6])] * 3), [base, memory])
    torch.testing.assert_close(mixed, mix_log_probs(base, memory, 0.6), atol=0, rtol=1e-6)


def test_weights_that_exceed_one_by_a_rounding_leave_the_base_nothing() -> None:
    assert log_weights([1.0 + 1e-12])[0] == -math.inf
    assert log_weights([0.25])[0] == pytest.approx(math.log(0.75))
    assert log_weights([]) == [0.0]


def test_scores_are_those_of_the_chosen_tokens() -> None:
    base, memory = random_parts(2, 3, 6)
    mixed = mix_log_probs(base, memory, 0.5)
    told = token_scores(torch.tensor([4, 0, 2]), mixed, [base, memory], [0, 2, 99])
    for row, (token, count) in enumerate([(4, 0), (0, 2), (2, 6)]):
        ordered = sorted(enumerate(mixed[row].tolist()), key=lambda pair: -pair[1])
        expected = (base[row, token].item(), memory[row, token].item())
        assert told[row].token == token
        assert told[row].log_prob == mixed[row, token].item()
        assert told[row].part_log_probs == expected
        assert told[row].top == tuple(ordered[:count])
