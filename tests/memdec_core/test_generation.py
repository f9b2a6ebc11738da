"""Cached decoding gives the tokens that a loop without a cache gives."""

import pytest
import torch

from memdec_core.errors import UserError
from memdec_core.generation import (
    DecodingConfig,
    MixtureDecoder,
    TransformerDecoder,
    choose_token,
    generate,
    stop_tokens_of,
)
from memdec_core.language_model import LanguageModel, TransformerLM
from memdec_core.mixture import MixtureLM
from tests.tiny_models import tiny_model

PROMPT = [5, 17, 200, 31]
CONFIGS = [
    DecodingConfig(max_new_tokens=24),
    DecodingConfig(max_new_tokens=24, temperature=0.8, seed=3),
    DecodingConfig(max_new_tokens=24, temperature=1.3, top_p=0.7, seed=4),
]


def two_models() -> tuple[TransformerLM, TransformerLM]:
    base = TransformerLM(tiny_model("gpt2", seed=1, width=64), 390)
    return base, TransformerLM(tiny_model("qwen2", seed=2, vocab_size=416), 390)


def uncached(lm: LanguageModel, config: DecodingConfig, stop: frozenset[int]) -> list[int]:
    tokens = list(PROMPT)
    generator = torch.Generator().manual_seed(config.seed)
    for _ in range(config.max_new_tokens):
        token = choose_token(lm.log_probs(torch.tensor([tokens]))[0, -1], config, generator)
        if token in stop:
            break
        tokens.append(token)
    return tokens[len(PROMPT) :]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_cached_base_gives_the_tokens_of_an_uncached_loop(config: DecodingConfig) -> None:
    base, _ = two_models()
    tokens = list(generate(TransformerDecoder(base), PROMPT, config, ()))
    assert tokens == uncached(base, config, frozenset())


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_cached_mixture_gives_the_tokens_of_an_uncached_loop(
    config: DecodingConfig, alpha: float
) -> None:
    base, memory = two_models()
    decoder = MixtureDecoder(TransformerDecoder(base), TransformerDecoder(memory), alpha)
    tokens = list(generate(decoder, PROMPT, config, ()))
    assert tokens == uncached(MixtureLM(base, memory, alpha), config, frozenset())


def test_generation_ends_before_a_stop_token() -> None:
    base, _ = two_models()
    config = DecodingConfig(max_new_tokens=20, temperature=1.0, seed=9)
    whole = uncached(base, config, frozenset())
    stopped = list(generate(TransformerDecoder(base), PROMPT, config, {whole[6]}))
    assert stopped == whole[: whole.index(whole[6])]


def test_stop_tokens_are_the_models_end_of_text() -> None:
    base, _ = two_models()
    assert stop_tokens_of(base) == {0}
    base.model.generation_config.eos_token_id = [0, 7]
    assert stop_tokens_of(base) == {0, 7}


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass() -> None:
    log_probs = torch.log(torch.tensor([0.1, 0.5, 0.05, 0.35]))
    config = DecodingConfig(temperature=1.0, top_p=0.8)
    generator = torch.Generator().manual_seed(0)
    drawn = [choose_token(log_probs, config, generator) for _ in range(300)]
    assert set(drawn) == {1, 3}
    assert drawn.count(1) / 300 == pytest.approx(0.5 / 0.85, abs=0.1)


def test_a_small_temperature_is_nearly_greedy() -> None:
    log_probs = torch.log(torch.tensor([0.1, 0.5, 0.05, 0.35]))
    generator = torch.Generator().manual_seed(0)
    config = DecodingConfig(temperature=0.01)
    assert {choose_token(log_probs, config, generator) for _ in range(50)} == {1}


def test_an_empty_prompt_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="prompt is empty"):
        generate(TransformerDecoder(two_models()[0]), [], DecodingConfig(), ())


def test_a_text_longer_than_the_context_is_the_users_mistake() -> None:
    base, memory = two_models()
    decoder = MixtureDecoder(TransformerDecoder(base), TransformerDecoder(memory), 0.5)
    with pytest.raises(UserError, match="exceed the context of 256"):
        generate(decoder, PROMPT, DecodingConfig(max_new_tokens=253), ())
