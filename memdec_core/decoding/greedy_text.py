"""Greedy text of any system that can decode, up to a stop string."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from memdec_core.decoding.continuation_scoring import context_length_of
from memdec_core.decoding.decoders import (
    Decoder,
    MixtureDecoder,
    TransformerDecoder,
    generate,
    stop_tokens_of,
)
from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, TransformerLM
from memdec_core.models.mixture import MixtureLM


def decoder_of(lm: LanguageModel) -> Decoder:
    """A fresh decoder of a base model or a mixture.

    Raises:
        UserError: The system is another, which would search anew for every token.
    """
    if isinstance(lm, TransformerLM):
        return TransformerDecoder(lm)
    if isinstance(lm, MixtureLM):
        return MixtureDecoder(decoder_of(lm.base), decoder_of(lm.memory), lm.alpha)
    raise UserError(
        f"{type(lm).__name__} cannot generate text: leave out tasks that generate, or take a base "
        "model or a base with its memory"
    )


def greedy_text(
    lm: LanguageModel,
    tokenizer: PreTrainedTokenizerFast,
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    until: Sequence[str],
) -> str:
    """Continue a prompt with the most probable tokens.

    Args:
        lm: The system.
        tokenizer: Its tokenizer, with an end-of-text token, which ends the text.
        prompt: Token ids, at least one; the oldest are dropped where the new ones need their room.
        max_new_tokens: Most tokens to add.
        until: Strings that end the text and are not part of it.

    Raises:
        UserError: The system cannot generate, or the new tokens alone fill its context.
    """
    decoder = decoder_of(lm)
    limit = context_length_of(lm)
    if limit is not None and max_new_tokens >= limit:
        raise UserError(
            f"{max_new_tokens} new tokens leave no room for a prompt in a context of {limit}: set "
            "fewer (max_gen_toks)"
        )
    fitting = prompt if limit is None else prompt[-(limit - max_new_tokens) :]
    ending = _stop_tokens(lm) | {int(tokenizer.eos_token_id)}
    tokens: list[int] = []
    text = ""
    for token in generate(decoder, fitting, max_new_tokens, ending):
        tokens.append(token)
        text = str(tokenizer.decode(tokens))
        found = [place for stop in until if (place := text.find(stop)) >= 0]
        if found:
            return text[: min(found)]
    return text


def _stop_tokens(lm: LanguageModel) -> frozenset[int]:
    """The ids that end a text of the system's base."""
    if isinstance(lm, MixtureLM):
        return _stop_tokens(lm.base)
    return stop_tokens_of(lm.model) if isinstance(lm, TransformerLM) else frozenset()
