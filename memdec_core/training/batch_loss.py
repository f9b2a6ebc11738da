"""The loss of one batch under a causal language model, through its body and its output head."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.models.forward_hooks import forward_until, probe_head
from memdec_core.models.models_config import Precision
from memdec_core.training.losses import LossSums, OutputHead, sparse_loss
from memdec_core.training.training_batches import TrainingBatch


class Objective(NamedTuple):
    """What is minimised.

    Attributes:
        beta: Weight of KL(p_kNN ‖ p_mem); batches without targets have cross-entropy alone.
        vocab_size: Real tokens; a padded head's further logits do not take part.
        precision: Arithmetic of the forward and backward pass.
    """

    beta: float
    vocab_size: int
    precision: Precision


class LossMeans(NamedTuple):
    """Means per predicted position, in nats; `kl` is None where there were no targets."""

    loss: float
    kl: float | None
    ce: float


class LossTotals:
    """Adds up the sums of batches, in float64 on the host."""

    def __init__(self) -> None:
        self.positions = 0
        self.loss = self.kl = self.ce = 0.0
        self.has_kl = False

    def add(self, sums: LossSums, batch: TrainingBatch) -> None:
        """Adds one batch."""
        self.positions += len(batch.label_N)
        self.loss += sums.loss.item()
        self.kl += sums.kl.item()
        self.ce += sums.ce.item()
        self.has_kl |= batch.targets is not None

    def means(self) -> LossMeans:
        """Means over all positions added."""
        n = self.positions
        return LossMeans(self.loss / n, self.kl / n if self.has_kl else None, self.ce / n)


def batch_loss(model: PreTrainedModel, batch: TrainingBatch, objective: Objective) -> LossSums:
    """Sums the loss over a batch's positions; differentiable.

    Raises:
        UserError: The model's head is smaller than the vocabulary.
    """
    device = batch.input_ids_BT.device
    autocast = objective.precision == "bfloat16"
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
        hidden_NH = _hidden_states(model, batch.input_ids_BT).flatten(0, 1)[batch.state_N]
        head = _real_head(model, objective.vocab_size)
        return sparse_loss(hidden_NH, head, batch.label_N, batch.targets, objective.beta)


def mean_loss(
    model: PreTrainedModel, batches: Iterable[TrainingBatch], objective: Objective
) -> LossMeans:
    """Mean loss over all positions of the batches, in evaluation mode; restores the mode."""
    totals, training = LossTotals(), model.training
    model.train(mode=False)
    with torch.no_grad():
        for batch in batches:
            on_device = batch.to(model.device)
            totals.add(batch_loss(model, on_device, objective), on_device)
    model.train(training)
    return totals.means()


def check_output_head(model: PreTrainedModel) -> None:
    """Makes sure that logits are the head applied to the body's last hidden states.

    Some architectures scale or cap their logits, or scale what the head is given, which the chunked
    loss would silently leave out.

    Raises:
        UserError: They are not.
    """
    training = model.training
    model.train(mode=False)
    tokens_BT = torch.arange(4, device=model.device)[None]
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        is_plain = (
            head is not None
            and probe_head(model, head, tokens_BT).is_last
            and torch.equal(forward_until(model, head, tokens_BT), _hidden_states(model, tokens_BT))
        )
    model.train(training)
    if not is_plain:
        raise UserError(
            f"student: the logits of a {model.config.model_type} are more than a linear head on "
            "its hidden states (scaled or capped), which this training does not support; choose "
            "a student such as GPT-2, Llama or Qwen"
        )


def _hidden_states(model: PreTrainedModel, input_ids_BT: Tensor) -> Tensor:
    """(B, T, H): what the output head is applied to."""
    output = model.base_model(input_ids=input_ids_BT, use_cache=False)
    hidden_BTH: Tensor = output.last_hidden_state
    return hidden_BTH


def _real_head(model: PreTrainedModel, vocab_size: int) -> OutputHead:
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    weight_VH, bias_V = head.weight, getattr(head, "bias", None)
    if len(weight_VH) < vocab_size:
        raise UserError(
            f"student: its head has {len(weight_VH)} logits for a vocabulary of {vocab_size}; "
            "choose a student that was made for this tokenizer"
        )
    if len(weight_VH) == vocab_size:
        return OutputHead(weight_VH, bias_V)
    return OutputHead(weight_VH[:vocab_size], None if bias_V is None else bias_V[:vocab_size])
