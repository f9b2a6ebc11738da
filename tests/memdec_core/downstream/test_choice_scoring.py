"""Choices are scored as by running the model on every prompt with every string alone."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from memdec_core.downstream.choice_scoring import choice_log_probs
from memdec_core.downstream.choice_strings import ChoiceStrings, Prompts, encode_choices
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import MixtureLM
from tests.support.tiny_models import tiny_model, tiny_tokenizer

VOCAB = 400
CONTEXT = 32
VERBALIZERS = ((" token", " the"), (" memory reads",), (" terrible",))


def strings() -> ChoiceStrings:
    return encode_choices(tiny_tokenizer(VOCAB), VERBALIZERS)


def prompts(seed: int = 0) -> Prompts:
    """Prompts of all lengths up to what leaves room for the longest string."""
    rng = np.random.default_rng(seed)
    lengths = [1, 2, 9, CONTEXT - strings().longest, 4, 9, 17]
    return [rng.integers(1, VOCAB, length) for length in lengths]


def alone(model: PreTrainedModel, prompt: np.ndarray, string: np.ndarray) -> list[float]:
    """The string's tokens one after the other, in float64, with no batch and no padding."""
    tokens = torch.from_numpy(np.concatenate([prompt, string]))
    with torch.inference_mode():
        logits = model(input_ids=tokens[None]).logits[0, :, :VOCAB].double()
    log_probs = torch.log_softmax(logits, dim=-1)
    places = range(len(prompt), len(tokens))
    return [float(log_probs[place - 1, tokens[place]]) for place in places]


def all_alone(model: PreTrainedModel, choices: ChoiceStrings) -> np.ndarray:
    spans = zip(choices.offsets_S1[:-1], choices.offsets_S1[1:], strict=True)
    pieces = [choices.token_ids_E[start:stop] for start, stop in spans]
    return np.array(
        [[score for piece in pieces for score in alone(model, p, piece)] for p in prompts()]
    )


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2", "llama"])
@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_scores_are_those_of_every_prompt_and_string_alone(
    architecture: str, batch_tokens: int
) -> None:
    model = tiny_model(architecture, vocab_size=448, context_length=CONTEXT)
    choices = strings()
    assert choices.longer, "some strings have several tokens"
    scores = choice_log_probs(
        TransformerLM(model, VOCAB), prompts(), choices, batch_tokens=batch_tokens
    )
    np.testing.assert_allclose(scores, all_alone(model, choices), rtol=1e-5, atol=1e-5)


def test_a_mixture_scored_as_a_whole_equals_its_parts_mixed_by_token() -> None:
    base, memory = (
        TransformerLM(tiny_model(seed=seed, context_length=CONTEXT), VOCAB) for seed in (1, 2)
    )
    parts = [
        np.exp(choice_log_probs(lm, prompts(), strings(), batch_tokens=64)) for lm in (base, memory)
    ]
    mixed = choice_log_probs(MixtureLM(base, memory, 0.3), prompts(), strings(), batch_tokens=64)
    np.testing.assert_allclose(np.exp(mixed), 0.7 * parts[0] + 0.3 * parts[1], rtol=1e-4)


def test_progress_grows_to_one() -> None:
    fractions: list[float] = []
    lm = TransformerLM(tiny_model(context_length=CONTEXT), VOCAB)
    choice_log_probs(lm, prompts(), strings(), batch_tokens=20, on_progress=fractions.append)
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 3
    assert fractions[-1] == pytest.approx(1)
