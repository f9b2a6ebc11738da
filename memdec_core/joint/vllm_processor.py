"""EXPERIMENTAL: a memory beside a base that vLLM serves, as one of vLLM's logits processors.

    MEMDEC_MEMORY=memory MEMDEC_ALPHA=0.6 vllm serve BASE --max-model-len 1024 \
        --logits-processors memdec_core.joint.vllm_processor:MemoryLogitsProcessor

or `LLM(BASE, logits_processors=[MemoryLogitsProcessor], additional_config={"memdec_memory": …,
"memdec_alpha": …})`; a request sets its own α as `extra_args={"alpha": 0.3}` (`vllm_xargs` over
HTTP). vLLM is not a dependency and is imported only if it is there.

It was tested against the call sequence that vLLM documents for the interface of its V1 model runner
(`vllm.v1.sample.logits_processor.LogitsProcessor`), never inside vLLM. Know before you use it:

- The V2 model runner has another interface and rejects this class when it loads it: set
  VLLM_USE_V2_MODEL_RUNNER=0. Speculative decoding and pooling models reject all such classes.
- The memory's weights and caches lie outside vLLM's budget: lower --gpu-memory-utilization by what
  they take. Every running request has a cache of its own, with no paging and no sharing of
  prefixes, and a forward pass of its own at every step. With tensor parallelism every worker that
  samples holds a memory.
- The memory reads a prompt in one piece, when vLLM first samples for it.
- What vLLM has ruled out before (allowed tokens, grammars, min_tokens) stays ruled out: both
  distributions are normalised over what is left. Penalties, temperature and top-p come afterwards.
- A prompt that came as embeddings, or holds tokens that the memory lacks, is continued by the base
  alone, with a warning.
"""

import importlib
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.utils.hub import cached_file

from memdec_core.decoding.decoders import TransformerDecoder
from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import mix_log_probs
from memdec_core.models.model_loading import load_model
from memdec_core.text.tokenizer_compatibility import shared_vocab_size
from memdec_core.text.tokenizer_loading import load_tokenizer

_log = logging.getLogger(__name__)
_PLACEHOLDER = -1
"""What vLLM's asynchronous scheduling writes where a token is not known yet."""


def _interface() -> type[Any]:
    """The class that vLLM insists on, or a plain one where vLLM is not installed."""
    try:
        module = importlib.import_module("vllm.v1.sample.logits_processor")
    except ImportError:
        return object
    found: type[Any] = module.LogitsProcessor
    return found


class _Request:
    """One request in vLLM's batch: what the memory has read of it, and what it says next."""

    def __init__(
        self, lm: TransformerLM, alpha: float, prompt: Sequence[int], output: Sequence[int]
    ) -> None:
        self.alpha = alpha
        self._lm = lm
        self._prompt = prompt
        self._output = output  # vLLM's own list, which grows from step to step
        self._decoder = TransformerDecoder(lm)
        self._read: list[int] = []
        self._log_probs_V: Tensor | None = None

    def log_probs(self) -> Tensor | None:
        """What the memory says after all tokens so far, None once it lacks one of them."""
        tokens = [*self._prompt, *self._output]
        if tokens[: len(self._read)] != self._read:  # vLLM took some back
            self._decoder, self._read = TransformerDecoder(self._lm), []
        lost = bool(self._read) and self._log_probs_V is None
        if (new := tokens[len(self._read) :]) and not lost:
            self._log_probs_V = self._feed(new)
        self._read = tokens
        return self._log_probs_V

    def _feed(self, new: list[int]) -> Tensor | None:
        if _PLACEHOLDER in new:
            raise UserError(
                "vLLM schedules asynchronously and has not told the memory which tokens it chose: "
                "start it with --no-async-scheduling"
            )
        if max(new) >= self._lm.vocab_size:
            _log.warning(
                "a request holds the token %d, which the memory lacks: the base goes on alone",
                max(new),
            )
            return None
        return self._decoder.feed(new)


class MemoryLogitsProcessor(_interface()):
    """Mixes what a memory says into the logits of every request with α above 0.

    Built by vLLM, once per worker. The memory is `memdec_memory` of vLLM's additional_config or
    MEMDEC_MEMORY, α of requests that set none `memdec_alpha` or MEMDEC_ALPHA.

    Args:
        vllm_config: Of the engine.
        device: Where the base's logits are, and where the memory goes.
        is_pin_memory: Not used.

    Raises:
        UserError: A setting is missing, the memory's tokenizer is not of the base's family, or the
            memory reads fewer tokens than the base may.
    """

    def __init__(
        self,
        vllm_config: Any,
        device: torch.device,
        is_pin_memory: bool,  # noqa: ARG002 - part of vLLM's interface
    ) -> None:
        folder = Path(_setting(vllm_config, "memory"))
        self._alpha = _checked_alpha(_setting(vllm_config, "alpha"))
        model = vllm_config.model_config
        size = shared_vocab_size(_base_tokenizer(model), load_tokenizer(folder))
        self._lm = TransformerLM(load_model(folder, device, model.dtype), size)
        limit = self._lm.context_length
        if limit is not None and model.max_model_len > limit:
            raise UserError(
                f"the base may read {model.max_model_len} tokens and the memory {folder} reads at "
                f"most {limit}: start vLLM with --max-model-len {limit} or less"
            )
        self._requests: dict[int, _Request] = {}

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Refuses a request whose α is no number from 0 to 1.

        Raises:
            ValueError: It is not.
        """
        _alpha_of(sampling_params, 0.0)

    def is_argmax_invariant(self) -> bool:
        """False: a memory changes which token is the most probable one."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follows vLLM's batch: rows that are taken out, put in and moved, in this order.

        Args:
            batch_update: vLLM's BatchUpdate; None where the rows are the same as before.
        """
        if batch_update is None:
            return
        for row in batch_update.removed:
            self._requests.pop(row, None)
        for row, params, prompt, output in batch_update.added:
            self._add(row, _alpha_of(params, self._alpha), prompt, output)
        for source, target, direction in batch_update.moved:
            moved, other = self._requests.pop(source, None), self._requests.pop(target, None)
            if moved is not None:
                self._requests[target] = moved
            if other is not None and direction.name == "SWAP":
                self._requests[source] = other

    def _add(
        self, row: int, alpha: float, prompt: Sequence[int] | None, output: Sequence[int]
    ) -> None:
        self._requests.pop(row, None)
        if alpha == 0:
            return
        if prompt is None:
            _log.warning("a prompt that came as embeddings is continued by the base alone")
            return
        self._requests[row] = _Request(self._lm, alpha, prompt, output)

    def apply(self, logits: Tensor) -> Tensor:
        """Replaces the logits of requests that have the memory by log-probabilities of the mixture.

        Args:
            logits: Of the base after each request's last token, (requests, padded vocabulary);
                -inf where vLLM has ruled a token out. Changed in place.
        """
        for row, request in self._requests.items():
            if (memory_V := request.log_probs()) is not None:
                _mix_row(logits[row], memory_V, request.alpha)
        return logits


def _mix_row(logits_W: Tensor, memory_V: Tensor, alpha: float) -> None:
    """Mixes over the shared tokens that are not ruled out, in place; W is the padded vocabulary."""
    base_V = logits_W[: len(memory_V)].float()
    ruled_out_V = base_V == -math.inf
    if bool(ruled_out_V.all()):
        return  # a grammar asks for a token that the memory lacks
    memory_V = memory_V.to(base_V.device).masked_fill(ruled_out_V, -math.inf)
    mixed_V = mix_log_probs(base_V.log_softmax(dim=-1), memory_V.log_softmax(dim=-1), alpha)
    logits_W[: len(memory_V)] = mixed_V.to(logits_W.dtype)
    logits_W[len(memory_V) :] = -math.inf


def _base_tokenizer(model_config: Any) -> PreTrainedTokenizerFast:
    """The tokenizer of the model that vLLM serves: a folder's, or of a hub model in the cache."""
    name, revision = model_config.tokenizer, model_config.tokenizer_revision
    try:
        path = cached_file(name, "tokenizer.json", revision=revision, local_files_only=True)
    except OSError as error:
        raise UserError(
            f"{name}: the base has no tokenizer.json to compare with the memory's; save its fast "
            "tokenizer in a folder, and give it as --tokenizer"
        ) from error
    return load_tokenizer(Path(str(path)).parent)


def _setting(vllm_config: Any, name: str) -> str:
    """A setting of the engine, from its configuration or the environment."""
    further = vllm_config.additional_config
    found = further.get(f"memdec_{name}") if isinstance(further, dict) else None
    value = os.environ.get(f"MEMDEC_{name.upper()}") if found is None else str(found)
    if not value:
        raise UserError(
            f"memdec_{name} is not set: give it in vLLM's additional_config, or as "
            f"MEMDEC_{name.upper()} in the environment"
        )
    return value


def _alpha_of(sampling_params: Any, default: float) -> float:
    """A request's own α, or the engine's."""
    asked = (sampling_params.extra_args or {}).get("alpha")
    return default if asked is None else _checked_alpha(asked)


def _checked_alpha(value: object) -> float:
    try:
        alpha = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        alpha = math.nan
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha is {value!r}: the memory's weight is a number from 0 to 1")
    return alpha
