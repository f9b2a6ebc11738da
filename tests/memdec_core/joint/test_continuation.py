"""Continuations are those of the other decoders, of the base by itself, and of cut texts."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import PreTrainedModel

from memdec_core.decoding.decoders import MixtureDecoder, TransformerDecoder, generate
from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from memdec_core.joint.continuation import continue_text
from memdec_core.models.language_model import TransformerLM
from tests.memdec_core.joint.conftest import VOCABULARY
from tests.support.tiny_models import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
PROMPT = [5, 17, 200, 31]
NEW = 20


def tokens_of(parts: list[PreTrainedModel], alpha: float) -> list[int]:
    base, memory = (TransformerDecoder(TransformerLM(part, VOCABULARY)) for part in parts[:2])
    return list(generate(MixtureDecoder(base, memory, alpha), PROMPT, NEW, ()))


def greedy(joint: JointForCausalLM, alpha: float = 0.4, stop: tuple[str, ...] = ()) -> str:
    config = ContinuationConfig(max_new_tokens=NEW, stop=stop)
    (text,) = continue_text(joint, TOKENIZER, PROMPT, config, alpha)
    return text


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_greedy_text_is_that_of_the_other_decoders(
    single: JointForCausalLM, parts: list[PreTrainedModel], alpha: float
) -> None:
    assert greedy(single, alpha) == TOKENIZER.decode(tokens_of(parts, alpha))


def test_without_weight_the_samples_are_those_of_the_base_alone(
    parts: list[PreTrainedModel],
) -> None:
    base = parts[2]  # which predicts no token beyond the shared ones
    joint = JointForCausalLM.from_models(base, {"law": parts[1]}, {"law": 0.4}, VOCABULARY)
    config = ContinuationConfig(
        max_new_tokens=NEW, temperature=1.3, top_p=0.8, top_k=30, num_samples=3, seed=5
    )
    torch.manual_seed(5)
    rows = base.generate(
        torch.tensor([PROMPT]),
        max_new_tokens=NEW,
        do_sample=True,
        temperature=1.3,
        top_p=0.8,
        top_k=30,
        num_return_sequences=3,
    )
    expected = [TOKENIZER.decode(row[len(PROMPT) :]) for row in rows]
    state = torch.get_rng_state()
    assert continue_text(joint, TOKENIZER, PROMPT, config, 0.0) == expected
    assert torch.equal(torch.get_rng_state(), state)
    assert len(set(expected)) == 3
    other = config.model_copy(update={"seed": 6})
    assert continue_text(joint, TOKENIZER, PROMPT, other, 0.0) != expected


def test_a_search_and_a_penalty_are_those_of_transformers(single: JointForCausalLM) -> None:
    config = ContinuationConfig(
        max_new_tokens=NEW, num_beams=3, num_samples=2, repetition_penalty=1.5
    )
    rows = single.generate(
        torch.tensor([PROMPT]),
        max_new_tokens=NEW,
        num_beams=3,
        num_return_sequences=2,
        repetition_penalty=1.5,
        do_sample=False,
    )
    expected = [TOKENIZER.decode(row[len(PROMPT) :]) for row in rows]
    assert continue_text(single, TOKENIZER, PROMPT, config, 0.4) == expected


@pytest.mark.parametrize(("start", "length"), [(0, 1), (3, 2), (8, 4), (17, 3)])
def test_text_ends_before_the_first_stop_string_wherever_tokens_end(
    single: JointForCausalLM, start: int, length: int
) -> None:
    whole = greedy(single)
    stop = whole[start : start + length]
    assert greedy(single, stop=("§§", stop)) == whole[: whole.index(stop)]


def test_a_stop_string_of_which_the_prompt_has_a_part_ends_nothing(
    single: JointForCausalLM,
) -> None:
    whole = greedy(single)
    across = TOKENIZER.decode(PROMPT)[-1:] + whole[:1]
    assert across not in whole
    assert greedy(single, stop=(across,)) == whole


def test_text_ends_before_the_end_of_text(
    single: JointForCausalLM, parts: list[PreTrainedModel]
) -> None:
    tokens = tokens_of(parts, 0.4)
    settings = single.generation_config
    try:
        for ends in (tokens[6], [tokens[6], 399]):
            settings.eos_token_id = ends
            assert greedy(single) == TOKENIZER.decode(tokens[: tokens.index(tokens[6])])
    finally:
        settings.eos_token_id = None


def test_what_cannot_be_continued_is_the_users_mistake(single: JointForCausalLM) -> None:
    with pytest.raises(UserError, match="prompt is empty"):
        continue_text(single, TOKENIZER, [], ContinuationConfig(), 0.4)
    with pytest.raises(UserError, match="exceed the context of 256"):
        continue_text(single, TOKENIZER, PROMPT, ContinuationConfig(max_new_tokens=253), 0.4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_samples": 2}, "raise the temperature or num_beams"),
        ({"num_beams": 2, "num_samples": 3}, "raise num_beams"),
        ({"stop": [""]}, "at least 1 character"),
        ({"top_p": 0}, "greater than 0"),
    ],
)
def test_settings_that_make_no_texts_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ContinuationConfig(**settings)
