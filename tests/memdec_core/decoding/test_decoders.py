"""Cached decoding gives the tokens that a loop without a cache gives."""

import pytest
import torch

from memdec_core.decoding.decoders import (
    MixtureDecoder,
    TransformerDecoder,
    generate,
    stop_tokens_of,
)
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from tests.support.tiny_models import tiny_model

PROMPT = [5, 17, 200, 31]
NEW = 24


def two_models() -> tuple[TransformerLM, TransformerLM]:
    base = TransformerLM(tiny_model("gpt2", seed=1, width=64), 390)
    return base, TransformerLM(tiny_model("qwen2", seed=2, vocab_size=416), 390)


def uncached(lm: LanguageModel) -> list[int]:
    tokens = list(PROMPT)
    for _ in range(NEW):
        tokens.append(int(lm.log_probs(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(PROMPT) :]


def test_a_cached_base_gives_the_tokens_of_an_uncached_loop() -> None:
    base, _ = two_models()
    assert list(generate(TransformerDecoder(base), PROMPT, NEW, ())) == uncached(base)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_cached_mixture_gives_the_tokens_of_an_uncached_loop(alpha: float) -> None:
    base, memory = two_models()
    decoder = MixtureDecoder(TransformerDecoder(base), TransformerDecoder(memory), alpha)
    tokens = list(generate(decoder, PROMPT, NEW, ()))
    assert tokens == uncached(MixtureLM(base, memory, alpha))


def test_generation_ends_before_a_stop_token() -> None:
    base, _ = two_models()
    whole = uncached(base)
    stopped = list(generate(TransformerDecoder(base), PROMPT, NEW, {whole[6]}))
    assert stopped == whole[: whole.index(whole[6])]


def test_stop_tokens_are_the_models_end_of_text() -> None:
    base, _ = two_models()
    assert stop_tokens_of(base.model) == {0}
    base.model.generation_config.eos_token_id = [0, 7]
    assert stop_tokens_of(base.model) == {0, 7}


def test_an_empty_prompt_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="prompt is empty"):
        generate(TransformerDecoder(two_models()[0]), [], NEW, ())


def test_a_text_longer_than_the_context_is_the_users_mistake() -> None:
    base, memory = two_models()
    decoder = MixtureDecoder(TransformerDecoder(base), TransformerDecoder(memory), 0.5)
    with pytest.raises(UserError, match="exceed the context of 256"):
        generate(decoder, PROMPT, 253, ())
