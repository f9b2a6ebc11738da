"""A chat with a joint model: what has been read once stays in the cache."""

from collections.abc import Callable

import torch
from jinja2 import TemplateError
from transformers import (
    PreTrainedTokenizerFast,
    StoppingCriteriaList,
    TextStreamer,
)

from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.errors import UserError
from memdec_core.joint.continuation import StopWhen, choice_options
from memdec_core.joint.joint_parts import JointCache
from memdec_core.joint.model import JointForCausalLM

OnText = Callable[[str], None]
IsStopped = Callable[[], bool]


class Conversation:
    """Turns of user and model.

    Args:
        joint: The model.
        tokenizer: Its tokenizer, with a chat template.
        sampling: How to choose tokens, for one text at a time.
        alpha: Weight of the memory.
        system: What the template puts before the first turn, if anything.

    Attributes:
        alpha: As given; it may be changed between turns.
        tokens_reused: Tokens of the last turn's prompt that were in the cache already.
    """

    def __init__(
        self,
        joint: JointForCausalLM,
        tokenizer: PreTrainedTokenizerFast,
        sampling: ContinuationConfig,
        alpha: float,
        system: str | None = None,
    ) -> None:
        self._joint = joint
        self._tokenizer = tokenizer
        self._sampling = sampling
        self._system = system
        self.alpha = alpha
        self.tokens_reused = 0
        self._messages: list[dict[str, str]] = []
        self._cache: JointCache | None = None
        self._read: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Forgets all turns."""
        system = [] if self._system is None else [{"role": "system", "content": self._system}]
        self._messages = system
        self._forget_cache()

    def reply(self, message: str, on_text: OnText, is_stopped: IsStopped) -> str:
        """Answers a message; a turn that fails leaves the conversation as it was.

        Args:
            message: What the user says.
            on_text: Gets the answer piece by piece, as soon as whole words are there.
            is_stopped: Asked after every token; once true, the answer ends there and counts.

        Returns:
            The whole answer.

        Raises:
            UserError: The conversation fills the context, or the template refuses it.
        """
        messages = [*self._messages, {"role": "user", "content": message}]
        prompt = self._encode(messages)
        config = self._sampling.model_copy(update={"max_new_tokens": self._room(prompt)})
        cache, read = self._cache, self._read
        fits = len(read) < len(prompt) and prompt[: len(read)] == read
        self.tokens_reused = len(read) if fits else 0
        self._forget_cache()  # it is written to; a turn that fails half-way must not leave it
        ids_1T = torch.tensor([prompt], device=self._joint.device)
        output = self._joint.generate(
            ids_1T,
            attention_mask=torch.ones_like(ids_1T),
            alpha=self.alpha,
            streamer=_Streamer(self._tokenizer, on_text),
            stopping_criteria=StoppingCriteriaList([StopWhen(lambda _tokens_T: is_stopped())]),
            return_dict_in_generate=True,
            **({"past_key_values": cache} if fits and cache is not None else {}),
            **choice_options(config),
        )
        tokens = output.sequences[0].tolist()
        self._cache = output.past_key_values
        self._read = tokens[: output.past_key_values.get_seq_length()]
        answer = str(self._tokenizer.decode(tokens[len(prompt) :], skip_special_tokens=True))
        self._messages = [*messages, {"role": "assistant", "content": answer}]
        return answer

    def _encode(self, messages: list[dict[str, str]]) -> list[int]:
        try:
            text = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
        except TemplateError as error:
            raise UserError(f"the chat template refuses these messages: {error}") from error
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        if max(ids) >= self._joint.config.vocab_size:
            token = self._tokenizer.convert_ids_to_tokens(max(ids))
            raise UserError(
                f"the chat template spells out {token}, an added token that the memory's "
                "tokenizer lacks: chat needs a memory made with the base's own tokenizer"
            )
        return ids

    def _room(self, prompt: list[int]) -> int:
        """How many tokens the answer may have."""
        limit = self._joint.config.max_position_embeddings
        room = self._sampling.max_new_tokens if limit is None else limit - len(prompt)
        if room < 1:
            raise UserError(
                f"the conversation has {len(prompt)} tokens and fills the context of {limit}: "
                "start a new one"
            )
        return min(room, self._sampling.max_new_tokens)

    def _forget_cache(self) -> None:
        self._cache, self._read = None, []


class _Streamer(TextStreamer):
    """Hands on what the streamer of transformers would print."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, on_text: OnText) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._on_text = on_text

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: FBT002 - as there
        del stream_end
        if text:
            self._on_text(text)
