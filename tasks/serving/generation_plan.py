"""Requests of clients become requests of the engine."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jinja2 import TemplateError

from memdec_core.serving.request import DecodingRequest
from tasks.serving.api_errors import invalid
from tasks.serving.model_catalog import ModelCatalog
from tasks.serving.request_bodies import ChatRequest, CompletionRequest, Prompt, RequestFields
from tasks.serving.server_settings import ServerSettings


class GenerationPlan(NamedTuple):
    """What one HTTP request asks of the engine.

    Attributes:
        model: The name that was asked for.
        sequences: One per choice: those of the first prompt, then of the second …
        stops: Strings that end a text.
        prompt_tokens: Of all prompts, each counted once.
        echo: Whether the prompts are part of the answer.
        only_prompts: Whether they are all of it.
    """

    model: str
    sequences: tuple[DecodingRequest, ...]
    stops: tuple[str, ...]
    prompt_tokens: int
    echo: bool = False
    only_prompts: bool = False


class PlanLimits(NamedTuple):
    """What a request may ask for: the server's settings and the models' context (tokens)."""

    settings: ServerSettings
    context_length: int | None


async def plan_completion(
    body: CompletionRequest, catalog: ModelCatalog, limits: PlanLimits
) -> GenerationPlan:
    """Reads prompts of any kind.

    Raises:
        ApiError: The request cannot be fulfilled.
    """
    _check_choices(len(body.prompts) * body.n, limits.settings)
    prompts = await asyncio.to_thread(_prompt_ids, body.prompts, catalog)
    scored = body.logprobs is not None or body.memdec_probabilities
    for prompt in prompts:
        _check_room(len(prompt), max(body.max_tokens, 1), limits)
    options = {
        "max_new_tokens": max(body.max_tokens, 1),
        "top_log_probs": body.logprobs or 0,
        "prompt_log_probs": body.echo and scored,
    }
    return GenerationPlan(
        model=body.model,
        sequences=_sequences(body, prompts, catalog, options),
        stops=body.stops,
        prompt_tokens=sum(map(len, prompts)),
        echo=body.echo,
        only_prompts=body.max_tokens == 0,
    )


async def plan_chat(body: ChatRequest, catalog: ModelCatalog, limits: PlanLimits) -> GenerationPlan:
    """Spells a conversation with the tokenizer's chat template.

    Raises:
        ApiError: There is no template, or the request cannot be fulfilled.
    """
    _check_choices(body.n, limits.settings)
    prompt = await asyncio.to_thread(_chat_ids, body, catalog)
    room = limits.settings.max_tokens_limit
    if limits.context_length is not None:
        room = max(1, min(room, limits.context_length - len(prompt)))
    new_tokens = body.most_new_tokens or room
    _check_room(len(prompt), new_tokens, limits)
    options = {"max_new_tokens": new_tokens, "top_log_probs": body.top_logprobs}
    sequences = _sequences(body, [prompt], catalog, options)
    return GenerationPlan(body.model, sequences, body.stops, len(prompt))


def _sequences(
    body: RequestFields,
    prompts: Iterable[Sequence[int]],
    catalog: ModelCatalog,
    options: dict[str, int],
) -> tuple[DecodingRequest, ...]:
    shared = {
        "weights": catalog.weights(body.model, body.alpha, body.memories),
        "temperature": body.temperature,
        "top_p": body.top_p,
        "frequency_penalty": body.frequency_penalty,
        "presence_penalty": body.presence_penalty,
        "logit_bias": {int(token): bias for token, bias in body.logit_bias.items()},
        "stop_tokens": catalog.stop_tokens,
    }
    return tuple(
        DecodingRequest.model_validate(
            {
                "prompt": tuple(prompt),
                "seed": None if body.seed is None else body.seed + number,
                **shared,
                **options,
            }
        )
        for prompt in prompts
        for number in range(body.n)
    )


def _prompt_ids(prompts: Sequence[Prompt], catalog: ModelCatalog) -> list[list[int]]:
    return [
        _not_empty(catalog.encode(prompt) if isinstance(prompt, str) else prompt, catalog)
        for prompt in prompts
    ]


def _chat_ids(body: ChatRequest, catalog: ModelCatalog) -> list[int]:
    if catalog.tokenizer.chat_template is None:
        raise invalid(
            f"`{body.model}` has no chat template, as a base model often has none; "
            "use /v1/completions",
            "messages",
            "no_chat_template",
        )
    messages = [message.for_template() for message in body.messages]
    try:
        text = catalog.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:  # how templates refuse a conversation
        raise invalid(f"the chat template refuses these messages: {error}", "messages") from error
    return _not_empty(catalog.encode(str(text)), catalog)


def _not_empty(prompt: list[int], catalog: ModelCatalog) -> list[int]:
    """An empty prompt is the end of the text before, as in training."""
    if prompt:
        return prompt
    end = catalog.tokenizer.eos_token_id
    if end is None:
        raise invalid(
            "the prompt is empty, and the tokenizer has no end-of-text token to begin with; "
            "give at least one token",
            "prompt",
        )
    return [int(end)]


def _check_choices(choices: int, settings: ServerSettings) -> None:
    if choices == 0:
        raise invalid("`prompt` is an empty list; give at least one prompt", "prompt")
    if choices > settings.max_choices:
        raise invalid(
            f"{choices} sequences in one request; this server makes at most {settings.max_choices} "
            "(prompts times `n`)",
            "n",
        )


def _check_room(prompt: int, new: int, limits: PlanLimits) -> None:
    most = limits.settings.max_tokens_limit
    if new > most:
        raise invalid(f"`max_tokens` is {new}; this server makes at most {most}", "max_tokens")
    context = limits.context_length
    if context is not None and prompt + new > context:
        raise invalid(
            f"a prompt of {prompt} tokens and {new} new ones exceed the context of {context}: "
            "shorten the prompt or lower `max_tokens`",
            "prompt",
            "context_length_exceeded",
        )
