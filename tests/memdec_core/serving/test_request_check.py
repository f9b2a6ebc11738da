"""What the models or the limits cannot hold is refused in words."""

from typing import Any

import pytest

from memdec_core.errors import UserError
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.request import DecodingRequest
from memdec_core.serving.request_check import checked_weights
from tests.support.engine_runs import two_models

GOOD = {"prompt": (5, 17), "max_new_tokens": 10}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": (5, 390)}, "prompt has the token id 390: the models know ids from 0 to 389"),
        ({"prompt": (-1,)}, "prompt has the token id -1"),
        ({"logit_bias": {400: 1.0}}, "logit_bias has the token id 400"),
        ({"max_new_tokens": 255}, "2 tokens and 255 new ones exceed the context of 256"),
        ({"max_new_tokens": 99}, "exceed the engine's max_batch_tokens of 100"),
        ({"weights": ()}, "0 weights for 1 memories"),
        ({"weights": (0.2, 0.2)}, "2 weights for 1 memories"),
        ({"weights": (1.01,)}, "at most 1"),
        ({"weights": (-0.01,)}, "between 0 and 1"),
        ({"weights": (float("nan"),)}, "between 0 and 1"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"logit_bias": {3: float("nan")}}, "logit_bias of 3 is nan"),
        ({"seed": 2**64}, "less than 2"),
    ],
)
def test_wrong_requests_are_the_users_mistake(change: dict[str, Any], message: str) -> None:
    limits = EngineLimits(max_batch_tokens=100 if "99" in str(change) else 32768)
    with pytest.raises(UserError, match=message):
        checked_weights(DecodingRequest(**{**GOOD, **change}), two_models(), limits)


def test_a_request_that_just_fits_is_taken_with_its_weights_or_the_engines_own() -> None:
    models, limits = two_models(), EngineLimits(max_batch_tokens=256)
    just = DecodingRequest(prompt=(389,), max_new_tokens=255, seed=2**64 - 1, weights=(1.0,))
    assert checked_weights(just, models, limits) == (1.0,)
    assert checked_weights(DecodingRequest(**GOOD), models, limits) == (0.6,)
