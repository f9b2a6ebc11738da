"""Greedy text is that of a loop without a cache, up to its first stop string."""

from functools import cache

import pytest

from memdec_core.decoding.greedy_text import greedy_text
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM
from tests.oracles.continuation_oracle import (
    NextToken,
    greedy_tokens,
    mixed_next_token,
    transformer_next_token,
)
from tests.support.tiny_models import tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
VOCAB = len(TOKENIZER)
CONTEXT = 48
PROMPT = TOKENIZER("The memory of a small model")["input_ids"]
NEW = 20


@cache
def part(seed: int) -> TransformerLM:
    return TransformerLM(
        tiny_model("gpt2", seed=seed, width=64, vocab_size=VOCAB, context_length=CONTEXT), VOCAB
    )


def system(name: str) -> tuple[LanguageModel, NextToken]:
    base, memory = part(1), part(2)
    plain = [transformer_next_token(lm.model, VOCAB) for lm in (base, memory)]
    if name == "base":
        return base, plain[0]
    return MixtureLM(base, memory, 0.6), mixed_next_token(plain[0], plain[1], 0.6)


@pytest.mark.parametrize("name", ["base", "mixture"])
def test_the_text_is_that_of_an_uncached_loop(name: str) -> None:
    lm, next_token = system(name)
    expected = TOKENIZER.decode(greedy_tokens(next_token, PROMPT, NEW))
    text = greedy_text(lm, TOKENIZER, PROMPT, max_new_tokens=NEW, until=[])
    assert text == expected
    assert TOKENIZER.eos_token not in expected


@pytest.mark.parametrize("name", ["base", "mixture"])
def test_the_first_of_the_stop_strings_ends_the_text(name: str) -> None:
    lm, next_token = system(name)
    whole = TOKENIZER.decode(greedy_tokens(next_token, PROMPT, NEW))
    later, earlier = whole[9:12], whole[5:7]
    text = greedy_text(lm, TOKENIZER, PROMPT, max_new_tokens=NEW, until=[later, earlier, "§§"])
    assert text == whole[: min(whole.index(later), whole.index(earlier))]
    assert text != whole


def test_of_stop_strings_that_one_token_completes_the_one_that_begins_first_counts() -> None:
    lm, next_token = system("mixture")
    whole = TOKENIZER.decode(greedy_tokens(next_token, PROMPT, 4))
    stops = [whole[3:], whole[1:]]
    assert greedy_text(lm, TOKENIZER, PROMPT, max_new_tokens=NEW, until=stops) == whole[:1]


def test_the_end_of_text_token_ends_the_text_whatever_the_models_settings() -> None:
    lm, next_token = system("base")
    tokens = greedy_tokens(next_token, PROMPT, NEW)
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(tokens[4])
    text = greedy_text(lm, tokenizer, PROMPT, max_new_tokens=NEW, until=[])
    assert text == tokenizer.decode(tokens[: tokens.index(tokens[4])])


def test_a_long_prompt_loses_its_oldest_tokens() -> None:
    lm, next_token = system("mixture")
    prompt = (PROMPT * 10)[:90]
    expected = TOKENIZER.decode(greedy_tokens(next_token, prompt[-(CONTEXT - NEW) :], NEW))
    assert greedy_text(lm, TOKENIZER, prompt, max_new_tokens=NEW, until=[]) == expected


def test_new_tokens_that_fill_the_context_are_the_users_mistake() -> None:
    lm, _ = system("mixture")
    with pytest.raises(UserError, match="48 new tokens leave no room for a prompt"):
        greedy_text(lm, TOKENIZER, PROMPT, max_new_tokens=CONTEXT, until=[])


class Parrot:
    """A system without a decoder."""

    vocab_size = 4
    log_probs = NotImplemented


def test_a_system_that_cannot_decode_says_so() -> None:
    with pytest.raises(UserError, match="Parrot cannot generate text"):
        greedy_text(Parrot(), TOKENIZER, PROMPT, max_new_tokens=NEW, until=[])
