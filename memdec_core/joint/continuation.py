"""Texts that a joint model continues a prompt with.

Shapes: B sequences (samples or beams), T tokens.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, StoppingCriteria, StoppingCriteriaList

from memdec_core.decoding.decoders import check_room, stop_tokens_of
from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.joint.model import JointForCausalLM


class StopWhen(StoppingCriteria):
    """Ends every sequence that is finished, by what one says of its tokens, int64 (T,)."""

    def __init__(self, is_finished: Callable[[Tensor], bool]) -> None:
        self._is_finished = is_finished

    def __call__(self, input_ids: Tensor, scores: Any, **_options: Any) -> Tensor:
        """Which of the sequences, int64 (B, T), are finished: bool (B,)."""
        del scores
        return torch.tensor(list(map(self._is_finished, input_ids)), device=input_ids.device)


def continue_text(
    joint: JointForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    prompt: Sequence[int],
    config: ContinuationConfig,
    alpha: float,
) -> list[str]:
    """Continue a prompt.

    Args:
        joint: The model; its generation settings say which tokens end a text.
        tokenizer: Of the model.
        prompt: Token ids, at least one.
        config: How to choose tokens; the same seed gives the same texts.
        alpha: Weight of the memory.

    Returns:
        `config.num_samples` texts, without the prompt, the token and the string that end them.

    Raises:
        UserError: The prompt is empty, or prompt and new tokens exceed the context.
    """
    check_room(prompt, config.max_new_tokens, joint.config.max_position_embeddings)
    ids_1T = torch.tensor([list(prompt)], device=joint.device)

    def holds_stop(tokens_T: Tensor) -> bool:
        # transformers' own stop strings would be found across the end of the prompt as well
        text = tokenizer.decode(tokens_T[len(prompt) :])
        return any(stop in text for stop in config.stop)

    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        rows_BT = joint.generate(
            ids_1T,
            attention_mask=torch.ones_like(ids_1T),
            alpha=alpha,
            num_return_sequences=config.num_samples,
            stopping_criteria=StoppingCriteriaList([StopWhen(holds_stop)] if config.stop else []),
            **choice_options(config),
        )
    new_tokens = rows_BT[:, len(prompt) :].tolist()
    return [_text(joint, tokenizer, tokens, config.stop) for tokens in new_tokens]


def choice_options(config: ContinuationConfig) -> dict[str, Any]:
    """How to choose tokens, and how many, as options of `generate()`."""
    options: dict[str, Any] = {
        "max_new_tokens": config.max_new_tokens,
        "repetition_penalty": config.repetition_penalty,
        "num_beams": config.num_beams,
        "do_sample": config.temperature > 0,
    }
    if config.temperature > 0:
        options |= {name: getattr(config, name) for name in ("temperature", "top_p", "top_k")}
    return options


def _text(
    joint: JointForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    tokens: list[int],
    stops: Sequence[str],
) -> str:
    """The text of the tokens before the first that ends it, up to the first stop string."""
    ends = stop_tokens_of(joint)
    length = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    text = str(tokenizer.decode(tokens[:length]))
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]
