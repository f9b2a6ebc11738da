"""Requests that these models cannot answer are refused before they wait for anything."""

import math

from memdec_core.errors import UserError
from memdec_core.models.mixture import check_weights
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.request import DecodingRequest

SEEDS = 2**64


def checked_weights(
    request: DecodingRequest, models: ServedModels, limits: EngineLimits
) -> tuple[float, ...]:
    """The weights of the memories for a request, once all of it is found right.

    Raises:
        UserError: The request does not fit the models or the limits.
    """
    _check_ids(request, models.base.vocab_size)
    _check_length(request, models.context_length, limits)
    _check_numbers(request)
    weights = models.weights if request.weights is None else request.weights
    check_weights(weights, len(models.memories))
    return weights


def _check_ids(request: DecodingRequest, vocab_size: int) -> None:
    for name, ids in (("prompt", request.prompt), ("logit_bias", request.logit_bias)):
        wrong = next((token for token in ids if not 0 <= token < vocab_size), None)
        if wrong is not None:
            raise UserError(
                f"{name} has the token id {wrong}: the models know ids from 0 to {vocab_size - 1}"
            )


def _check_length(
    request: DecodingRequest, context_length: int | None, limits: EngineLimits
) -> None:
    n_prompt, n_new = len(request.prompt), request.max_new_tokens
    for most, name in (
        (context_length, "the context"),
        (limits.max_batch_tokens, "the engine's max_batch_tokens"),
    ):
        if most is not None and n_prompt + n_new > most:
            raise UserError(
                f"a prompt of {n_prompt} tokens and {n_new} new ones exceed {name} of {most}: "
                "shorten the prompt or lower max_new_tokens"
            )


def _check_numbers(request: DecodingRequest) -> None:
    numbers = {"temperature": request.temperature} | {
        f"logit_bias of {token}": bias for token, bias in request.logit_bias.items()
    }
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise UserError(f"{name} is {number}: give a finite number")
    if request.seed is not None and request.seed >= SEEDS:
        raise UserError(f"the seed is {request.seed}: it must be less than 2^64")
