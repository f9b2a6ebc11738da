"""The one trainer: memories, base models from scratch, and fine-tuned baselines.

On a CPU with a fixed number of threads the result is a function of the model, the data and the
configuration, to the bit: the data order and the seed of dropout are functions of the step, and
when (or how often) a training was saved, killed and continued leaves no trace.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import torch
from transformers import PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.training.batch_loss import (
    LossMeans,
    LossTotals,
    Objective,
    batch_loss,
    check_output_head,
    mean_loss,
)
from memdec_core.training.training_batches import TrainingBatch, WindowData, validation_batches
from memdec_core.training.training_config import TrainingConfig
from memdec_core.training.training_state import (
    Checkpoints,
    CurvePoint,
    new_state,
    pack_state,
    unpack_state,
)

_CURVE_POINTS = 500
_REPORT_S = 0.5


class StepBatches(Protocol):
    """Data order: see `EpochBatches`."""

    steps_per_epoch: int
    steps: int

    def micro_batches(self, epoch: int, step: int) -> Iterator[TrainingBatch]:
        """The micro-batches of a step of an epoch."""


Report = Callable[[float, str], None]


class TrainResult(NamedTuple):
    """What a training came to; the model itself holds the best weights.

    Attributes:
        steps: Optimiser steps done.
        positions: Predicted positions trained on.
        best_step: Step of the weights kept: lowest validation loss, or the last.
        best_loss: That validation loss, None without validation.
        stopped_early: Whether patience ran out before the last step.
        curve: Losses by step.
    """

    steps: int
    positions: int
    best_step: int
    best_loss: float | None
    stopped_early: bool
    curve: list[CurvePoint]


def train(
    model: PreTrainedModel,
    batches: StepBatches,
    config: TrainingConfig,
    *,
    objective: Objective,
    validation: WindowData | None,
    checkpoints: Checkpoints,
    report: Report,
) -> TrainResult:
    """Trains the model's parameters that take gradients, in place.

    Continues from the newest checkpoint if there is one. Reseeds torch's global generator at
    every step.

    Args:
        model: On its device, weights in float32.
        batches: The data in its order.
        config: Optimiser, schedule, validation, seed.
        objective: The loss.
        validation: What the best weights are chosen on; None keeps the last weights.
        checkpoints: Where the state is saved.
        report: Takes the finished fraction and a short note.

    Raises:
        UserError: The loss is no longer finite, or the model's head cannot be trained here.
    """
    check_output_head(model)
    training = _Training(model, batches, config, objective, validation)
    saved = checkpoints.latest()
    if saved:
        training.state = unpack_state(training.state, *saved)
    else:
        training.validate_now()
    saves, notes = _Pace(checkpoints.every_s), _Pace(_REPORT_S)
    model.train()
    while not training.finished:
        training.step()
        if notes.due():
            report(*training.note())
        if saves.due() or training.finished:
            started = time.monotonic()
            checkpoints.save(training.state.progress.step, *pack_state(training.state))
            saves.restart(cost_s=time.monotonic() - started)
    model.train(mode=False)
    return training.result()


class _Training:
    """A training under way."""

    def __init__(
        self,
        model: PreTrainedModel,
        batches: StepBatches,
        config: TrainingConfig,
        objective: Objective,
        validation: WindowData | None,
    ) -> None:
        self.model = model
        self.batches = batches
        self.config = config
        self.objective = objective
        self.validation = validation
        self.state = new_state(model, config, batches.steps)

    @property
    def finished(self) -> bool:
        """Whether all steps are done or patience ran out."""
        progress = self.state.progress
        return progress.stopped or progress.step >= self.batches.steps

    def step(self) -> None:
        """One optimiser step, and what is due after it."""
        progress = self.state.progress
        learning_rate = float(self.state.scheduler.get_last_lr()[0])
        totals = self._accumulate_gradients()
        parameters = list(self.state.parameters.values())
        torch._foreach_div_([p.grad for p in parameters if p.grad is not None], totals.positions)
        torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
        self.state.optimizer.step()
        self.state.scheduler.step()
        self.state.optimizer.zero_grad()
        progress.step += 1
        progress.positions += totals.positions
        progress.pending.append(totals.means())
        if progress.step % -(-self.batches.steps // _CURVE_POINTS) == 0 or self.finished:
            self._add_point("train", _average(progress.pending), learning_rate)
            progress.pending.clear()
        if self._validation_due():
            self.validate_now(learning_rate)

    def _accumulate_gradients(self) -> LossTotals:
        """Gradients of the summed loss of a step's micro-batches."""
        step = self.state.progress.step
        totals = LossTotals()
        epoch, epoch_step = divmod(step, self.batches.steps_per_epoch)
        torch.manual_seed(self.config.seed * 1_000_003 + step)  # dropout, the same after a resume
        for batch in self.batches.micro_batches(epoch, epoch_step):
            on_device = batch.to(self.model.device)
            sums = batch_loss(self.model, on_device, self.objective)
            torch.autograd.backward(sums.loss)
            totals.add(sums, on_device)
        if not torch.isfinite(torch.tensor(totals.loss)):
            raise UserError(
                f"training: the loss is {totals.loss} at step {step + 1}; lower learning_rate "
                f"({self.config.learning_rate}), add warm-up, or use precision float32"
            )
        return totals

    def _validation_due(self) -> bool:
        """Evenly over each epoch, and at the end."""
        per_epoch, count = self.batches.steps_per_epoch, self.config.validations_per_epoch
        step = self.state.progress.step
        return self.finished or step * count // per_epoch > (step - 1) * count // per_epoch

    def validate_now(self, learning_rate: float = 0.0) -> None:
        """Measures the validation loss and keeps the weights if it is the lowest so far."""
        if self.validation is None:
            return
        progress = self.state.progress
        batches = validation_batches(self.validation, self.config.micro_batch_tokens)
        means = mean_loss(self.model, batches, self.objective)
        self._add_point("valid", means, learning_rate)
        if progress.best_loss is None or means.loss < progress.best_loss:
            progress.best_loss, progress.best_step, progress.misses = means.loss, progress.step, 0
            best = {name: p.detach().clone() for name, p in self.state.parameters.items()}
            self.state = self.state._replace(best=best)
        else:
            progress.misses += 1
            progress.stopped = 0 < self.config.patience <= progress.misses

    def _add_point(self, split: str, means: LossMeans, learning_rate: float) -> None:
        step = self.state.progress.step
        facts = {"step": step, "epoch": step / self.batches.steps_per_epoch, "split": split}
        point = CurvePoint(**facts, **means._asdict(), learning_rate=learning_rate)
        self.state.progress.curve.append(point)

    def note(self) -> tuple[float, str]:
        """Finished fraction, and what to show."""
        progress = self.state.progress
        last = progress.pending[-1] if progress.pending else progress.curve[-1].means
        best = "" if progress.best_loss is None else f", best valid {progress.best_loss:.3f}"
        text = f"step {progress.step}/{self.batches.steps}, loss {last.loss:.3f}{best}"
        return progress.step / self.batches.steps, text

    def result(self) -> TrainResult:
        """Puts the best weights into the model."""
        progress = self.state.progress
        with torch.no_grad():
            for name, value in self.state.best.items():
                self.state.parameters[name].copy_(value)
        return TrainResult(
            steps=progress.step,
            positions=progress.positions,
            best_step=progress.step if progress.best_step is None else progress.best_step,
            best_loss=progress.best_loss,
            stopped_early=progress.step < self.batches.steps,
            curve=progress.curve,
        )


class _Pace:
    """Says when something is due again, by the clock: never part of the result."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last = time.monotonic()
        self._pause_s = every_s

    def due(self) -> bool:
        """Whether the pause is over; if so it starts anew."""
        now = time.monotonic()
        if now - self._last < self._pause_s:
            return False
        self._last = now
        return True

    def restart(self, cost_s: float) -> None:
        """Starts the pause anew, the longer the more the last time cost: a few per cent at most."""
        self._last = time.monotonic()
        self._pause_s = self._every_s * max(1.0, cost_s)


def _average(points: list[LossMeans]) -> LossMeans:
    """Mean over steps."""
    n = len(points)
    kls = [point.kl for point in points if point.kl is not None]
    return LossMeans(
        sum(point.loss for point in points) / n,
        sum(kls) / len(kls) if kls else None,
        sum(point.ce for point in points) / n,
    )
