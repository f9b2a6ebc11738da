import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from memdec_core.search.rounded_vectors import (
    PRODUCTS,
    TRIALS,
    CodeType,
    dither,
    fastest_codes,
    inner_products,
    round_vectors,
)

D = 192
RNG = np.random.default_rng(7)
KINDS: dict[str, Callable[[int], np.ndarray]] = {
    "normal": lambda n: RNG.standard_normal((n, D)),
    "alike but for one": lambda n: (
        RNG.uniform(-1, 1, (n, 1)) + np.where(np.arange(D) == 3, RNG.choice([-31, 31], (n, 1)), 0)
    ),
    "one large coordinate": lambda n: RNG.standard_normal((n, D)) + 60 * (np.arange(D) == 3),
    "all equal": lambda n: np.full((n, D), 0.125),
    "tiny": lambda n: RNG.standard_normal((n, D)) * 1e-6,
}


@pytest.mark.parametrize("code_type", ["int8", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_products_are_off_by_no_more_than_five_deviations(kind: str, code_type: CodeType) -> None:
    queries, keys = KINDS[kind](60).astype(np.float32), KINDS[kind](300).astype(np.float32)
    centre = queries.mean(axis=0)
    left = round_vectors(queries, centre, dither(D, 0), code_type)
    right = round_vectors(keys, centre, dither(D, 1), code_type)
    assert left.codes_ND.dtype == right.codes_ND.dtype == code_type
    buffer = torch.empty(60 * 300, dtype=PRODUCTS[code_type])
    products = inner_products(left.codes_ND, right.codes_ND, buffer).astype(np.float64)
    products *= np.outer(left.scales_N, right.scales_N)
    moved_queries = queries.astype(np.float64) - centre
    moved_keys = keys.astype(np.float64) - centre
    error = np.abs(products - moved_queries @ moved_keys.T)
    spread = np.outer(left.norms_N, right.steps_N.astype(np.float64) ** 2)
    spread += np.outer(left.steps_N.astype(np.float64) ** 2, right.norms_N)
    assert (error <= 5 * np.sqrt(spread) / 2 + 1e-12).all()
    np.testing.assert_allclose(left.norms_N, (moved_queries**2).sum(axis=1), rtol=1e-4, atol=1e-12)


def test_dither_differs_by_seed_and_stays_within_half_a_step() -> None:
    one, other = dither(1000, 0), dither(1000, 1)
    assert np.abs(np.concatenate([one, other])).max() <= 0.5
    assert np.abs(np.corrcoef(one, other)[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("seconds", "fastest", "trials"),
    [
        ({"int8": 1.0, "float32": 3.0}, "int8", TRIALS),
        ({"int8": 3.0, "float32": 1.0}, "float32", TRIALS),
        ({"int8": 30.0, "float32": 1.0}, "float32", 2),
        ({"int8": 1.0, "float32": 30.0}, "int8", 2),
    ],
)
def test_the_faster_type_is_found_and_a_far_slower_one_not_tried_to_the_end(
    seconds: dict[CodeType, float],
    fastest: CodeType,
    trials: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, calls = [0.0], Counter[CodeType]()

    def product(codes: CodeType) -> Callable[[torch.Tensor, torch.Tensor], None]:
        def multiply(_left: torch.Tensor, _right: torch.Tensor) -> None:
            calls[codes] += 1
            clock[0] += seconds[codes] + (50 if calls[codes] == 1 else 0)  # to warm up

        return multiply

    monkeypatch.setattr(torch, "_int_mm", product("int8"))
    monkeypatch.setattr(torch, "mm", product("float32"))
    monkeypatch.setattr(time, "thread_time", lambda: clock[0])
    assert fastest_codes.__wrapped__() == fastest
    assert calls == {"int8": trials, "float32": trials}
