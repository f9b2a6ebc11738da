"""The one protocol of the method, and its first implementation: a Hugging Face decoder.

Every system that is compared (base, memory, mixture, baselines) is a `LanguageModel`, scored by
the same code on the same tokens. Shapes: B sequences of a batch, T tokens of a sequence, P scored
positions, D hidden width, V shared vocabulary.
"""

from collections.abc import Iterator
from typing import Any, Protocol, cast, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.models.forward_hooks import forward_until, probe_head

LOGIT_BYTES = 64 * 10**6


class LanguageModel(Protocol):
    """Token ids in, log-probabilities of every next token out."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids that have a probability; ids are 0 to vocab_size - 1."""
        ...

    def log_probs(self, tokens_BT: Tensor) -> Tensor:
        """Return log p(· | tokens[:t+1]) at every t, float32 (B, T, V), each row normalised.

        Sequences are padded on the right with any valid id; what is returned at and after a
        sequence's last own token depends on padding and is to be ignored.
        """
        ...


@runtime_checkable
class PositionScorer(Protocol):
    """A language model that can score some positions without making the (B, T, V) array."""

    def token_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        """As `token_log_probs` of this module."""
        ...

    def scored_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
        """As `scored_log_probs` of this module."""
        ...


def scored_log_probs(lm: LanguageModel, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
    """Distributions that chosen tokens are drawn from, each given the tokens before it.

    Args:
        lm: The model; its own `scored_log_probs` is used where it has one.
        tokens_BT: Token ids, int64, padded on the right.
        scored_BT: True where the token is to be scored; column 0 must be False.

    Yields:
        Log-probabilities of all tokens, float32 (C, V) chunks, together (P, V) in row-major order
        of `scored_BT`.
    """
    assert not bool(scored_BT[:, 0].any()), "nothing precedes a sequence's first token"
    if isinstance(lm, PositionScorer):
        yield from lm.scored_log_probs(tokens_BT, scored_BT)
    else:
        log_probs_BTV = lm.log_probs(tokens_BT)[:, :-1]
        yield log_probs_BTV[scored_BT[:, 1:].to(log_probs_BTV.device)]


def token_log_probs(lm: LanguageModel, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
    """Log-probability of chosen tokens, each given the tokens before it in its sequence.

    Args:
        lm: The model; its own `token_log_probs` is used where it has one.
        tokens_BT: Token ids, int64, padded on the right.
        scored_BT: True where the token is to be scored; column 0 must be False.

    Returns:
        float32 (P,), in row-major order of `scored_BT`.
    """
    if isinstance(lm, PositionScorer):
        assert not bool(scored_BT[:, 0].any()), "nothing precedes a sequence's first token"
        return lm.token_log_probs(tokens_BT, scored_BT)
    (log_probs_PV,) = scored_log_probs(lm, tokens_BT, scored_BT)
    wanted_P1 = tokens_BT[scored_BT].unsqueeze(1).to(log_probs_PV.device)
    return log_probs_PV.gather(1, wanted_P1).squeeze(1)


def paired_log_probs(
    lms: tuple[LanguageModel, LanguageModel], tokens_BT: Tensor, scored_BT: Tensor, rows: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """As `scored_log_probs`, of two models side by side.

    Yields:
        Distributions of both at the same positions, at most `rows` of them, on the first one's
        device.
    """
    first, second = (
        (block_CV for chunk in chunks for block_CV in torch.split(chunk, rows))
        for chunks in [scored_log_probs(lm, tokens_BT, scored_BT) for lm in lms]
    )
    for first_CV, second_CV in zip(first, second, strict=True):
        yield first_CV, second_CV.to(first_CV.device)


class TransformerLM:
    """A causal decoder as a `LanguageModel` over the first `vocab_size` of its logits.

    Padded vocabularies differ between a base and its memory, and the base is never resized:
    logits past `vocab_size` are cut off and the rest is normalised again. The head is applied to
    scored positions only, in chunks of at most `logit_bytes` of float32 logits, so that memory
    stays bounded for a vocabulary of 150,000 and windows of 1,024 tokens.
    """

    def __init__(
        self, model: PreTrainedModel, vocab_size: int, *, logit_bytes: int = LOGIT_BYTES
    ) -> None:
        # transformers is not typed: a decoder is called as a module and asked for three attributes
        self.model: Any = model.eval()  # type: ignore[no-untyped-call]
        head = cast("nn.Module | None", self.model.get_output_embeddings())
        if head is None:
            raise UserError(f"{type(model).__name__} has no language-model head to predict with")
        self.vocab_size = vocab_size
        self._head = head
        self._chunk_rows = max(1, logit_bytes // (4 * vocab_size))
        probe = probe_head(self.model, head, torch.arange(4, device=self.device).unsqueeze(0))
        if probe.n_logits < vocab_size:
            raise UserError(
                f"the model predicts {probe.n_logits} tokens but the tokenizer has "
                f"{vocab_size}: use the tokenizer that belongs to the model"
            )
        self._head_is_last = probe.is_last

    @property
    def device(self) -> torch.device:
        """Where token ids have to be."""
        return cast("torch.device", self.model.device)

    @property
    def context_length(self) -> int | None:
        """The longest sequence the model takes; None where its configuration sets no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @property
    def bytes_per_token(self) -> int:
        """Estimated peak of activations per token of a forward pass without gradients."""
        config = self.model.config.get_text_config()
        width: int = config.hidden_size
        inner: int = getattr(config, "intermediate_size", None) or 4 * width
        return 4 * (10 * width + 3 * inner)

    @torch.inference_mode()
    def log_probs(self, tokens_BT: Tensor) -> Tensor:
        """As `LanguageModel.log_probs`; float32 (B, T, V) on the model's device."""
        self._check_length(tokens_BT)
        logits_BTV = self.model(input_ids=tokens_BT.to(self.device), use_cache=False).logits
        return torch.log_softmax(logits_BTV[..., : self.vocab_size].float(), dim=-1)

    @torch.inference_mode()
    def token_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        """As the function of this name; float32 (P,) on the model's device."""
        wanted_P = tokens_BT[:, 1:][scored_BT[:, 1:]].to(self.device)
        logits = self._scored_logits(tokens_BT, scored_BT)
        scores = [
            -F.cross_entropy(logits_CV, wanted_C, reduction="none")
            for logits_CV, wanted_C in zip(
                logits, torch.split(wanted_P, self._chunk_rows), strict=True
            )
        ]
        return torch.cat(scores)

    @torch.inference_mode()
    def scored_log_probs(self, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
        """As the function of this name; on the model's device."""
        for logits_CV in self._scored_logits(tokens_BT, scored_BT):
            yield torch.log_softmax(logits_CV, dim=-1)

    def _scored_logits(self, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
        """Logits over the shared vocabulary at the scored positions, float32, in chunks."""
        self._check_length(tokens_BT)
        tokens_BT = tokens_BT.to(self.device)
        predicting_BT = scored_BT[:, 1:].to(self.device)
        if self._head_is_last:
            hidden_BTD = forward_until(self.model, self._head, tokens_BT)
            hidden_PD = hidden_BTD[:, :-1][predicting_BT]
            for hidden_CD in torch.split(hidden_PD, self._chunk_rows):
                yield self._head(hidden_CD)[:, : self.vocab_size].float()
        else:
            logits_BTV = self.model(input_ids=tokens_BT, use_cache=False).logits
            for logits_CV in torch.split(logits_BTV[:, :-1][predicting_BT], self._chunk_rows):
                yield logits_CV[:, : self.vocab_size].float()

    def _check_length(self, tokens_BT: Tensor) -> None:
        length, limit = tokens_BT.shape[1], self.context_length
        if limit is not None and length > limit:
            raise UserError(
                f"a window of {length} tokens does not fit a model that reads at most {limit}: "
                f"set windows.length to {limit} or less"
            )
