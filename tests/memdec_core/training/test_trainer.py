"""The trainer learns, follows its configuration, and resumes to the bit."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CohereConfig, CohereForCausalLM, PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.training.batch_loss import Objective, mean_loss
from memdec_core.training.trainer import TrainResult, train
from memdec_core.training.training_batches import EpochBatches, validation_batches
from memdec_core.training.training_config import TrainingConfig
from tests.support.tiny_models import tiny_model
from tests.support.training_data import make_split

pytestmark = pytest.mark.usefixtures("one_thread")
OBJECTIVE = Objective(beta=0.5, vocab_size=50, precision="float32")
CONFIG = TrainingConfig(
    epochs=2,
    batch_tokens=60,
    micro_batch_tokens=30,
    validations_per_epoch=2,
    warmup_fraction=0.2,
    seed=7,
)
TRAIN, VALID = make_split(0, [25] * 16), make_split(1, [20] * 4)


class Killed(Exception):
    """The process died here."""


class MemoryCheckpoints:
    """Checkpoints in memory, saved after chosen steps only; dies after a given step."""

    def __init__(self, keep: set[int] | None = None) -> None:
        self.every_s = 0.0
        self.keep = keep
        self.dies_after: int | None = None
        self.saved: tuple[dict[str, Any], dict[str, Any]] | None = None

    def save(self, step: int, arrays: dict[str, Any], facts: dict[str, Any]) -> None:
        if self.keep is None or step in self.keep:
            copies = {name: array.copy() for name, array in arrays.items()}
            self.saved = copies, facts
        if step == self.dies_after:
            raise Killed

    def latest(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        return self.saved


def student() -> PreTrainedModel:
    """GPT-2 with dropout, tied embeddings and a vocabulary padded from 50 to 64."""
    return tiny_model("gpt2", vocab_size=64, width=16)


def run(
    model: PreTrainedModel,
    config: TrainingConfig = CONFIG,
    checkpoints: MemoryCheckpoints | None = None,
    *,
    objective: Objective = OBJECTIVE,
    validated: bool = True,
) -> TrainResult:
    return train(
        model,
        EpochBatches(TRAIN.data, config),
        config,
        objective=objective,
        validation=VALID.data if validated else None,
        checkpoints=checkpoints or MemoryCheckpoints(keep=set()),
        report=lambda *_: None,
    )


@cache  # not a fixture: hypothesis would print all of its weights
def uninterrupted() -> tuple[dict[str, torch.Tensor], TrainResult]:
    model = student()
    result = run(model)
    return model.state_dict(), result


STEPS = EpochBatches(TRAIN.data, CONFIG).steps


@settings(max_examples=8, deadline=None)
@given(
    saved_after=st.sets(st.integers(1, STEPS)),
    killed_after=st.sets(st.integers(1, STEPS), max_size=3),
)
def test_a_killed_and_resumed_training_ends_in_the_same_bits(
    saved_after: set[int],
    killed_after: set[int],
) -> None:
    weights, result = uninterrupted()
    checkpoints = MemoryCheckpoints(keep=saved_after)
    for death in sorted(killed_after):
        checkpoints.dies_after = death
        with pytest.raises(Killed):
            run(student(), checkpoints=checkpoints)
    checkpoints.dies_after = None
    model = student()
    resumed = run(model, checkpoints=checkpoints)

    assert resumed == result
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_dropout_is_on_while_training_so_that_resuming_exactly_is_not_trivial() -> None:
    model = student()
    assert model.config.resid_pdrop > 0
    other = TrainingConfig(**CONFIG.model_dump() | {"epochs": 1, "seed": 8})
    same = TrainingConfig(**CONFIG.model_dump() | {"epochs": 1})
    losses = [run(student(), config).curve[-1].loss for config in (same, other, same)]
    assert losses[0] == losses[2] != losses[1]


def test_the_model_ends_with_the_weights_of_the_lowest_validation_loss() -> None:
    config = TrainingConfig(epochs=30, batch_tokens=60, learning_rate=3e-2, validations_per_epoch=1)
    model = student()
    result = run(model, config)
    validations = [point for point in result.curve if point.split == "valid"]
    best = min(validations, key=lambda point: point.loss)
    measured = mean_loss(model, validation_batches(VALID.data, 64), OBJECTIVE)
    assert (result.best_step, result.best_loss) == (best.step, best.loss)
    assert best.step < result.steps, "overfitting was expected"
    assert measured.loss == pytest.approx(best.loss, abs=1e-9)


def test_training_lowers_both_parts_of_the_loss_on_the_training_set() -> None:
    model = student()
    before = mean_loss(model, validation_batches(TRAIN.data, 999), OBJECTIVE)
    config = TrainingConfig(epochs=30, batch_tokens=100, learning_rate=1e-2)
    run(model, config, validated=False)
    after = mean_loss(model, validation_batches(TRAIN.data, 999), OBJECTIVE)
    assert before.kl is not None
    assert after.kl is not None
    assert after.kl < 0.9 * before.kl
    assert after.ce < 0.8 * before.ce


def test_patience_stops_after_so_many_validations_without_improvement() -> None:
    config = TrainingConfig(epochs=40, batch_tokens=60, learning_rate=3e-2, patience=3)
    result = run(student(), config)
    validations = [point.step for point in result.curve if point.split == "valid"]
    assert result.stopped_early
    assert validations.index(result.best_step) == len(validations) - 4


def test_micro_batches_change_the_gradient_by_rounding_only() -> None:
    weights = []
    for tokens in (120, 40):
        config = TrainingConfig(epochs=1, batch_tokens=120, micro_batch_tokens=tokens)
        model = student()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        run(model, config, validated=False)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert (weights[0] - weights[1]).abs().max() < 2e-5


def test_padding_logits_are_never_trained_by_their_own_gradient() -> None:
    model = tiny_model("llama", vocab_size=64, width=16)  # its head is not tied
    before = model.get_output_embeddings().weight.detach().clone()
    config = TrainingConfig(epochs=1, batch_tokens=60, weight_decay=0.0)
    run(model, config, validated=False)
    after = model.get_output_embeddings().weight.detach()
    assert torch.equal(after[50:], before[50:])
    assert not torch.equal(after[:50], before[:50])


def test_learning_rate_warms_up_and_then_falls_to_zero() -> None:
    curve = run(student(), CONFIG, validated=False).curve
    rates = [point.learning_rate for point in curve]
    peak = int(np.argmax(rates))
    assert rates[0] == 0
    assert rates[peak] == CONFIG.learning_rate
    assert 0 < peak < len(rates) // 2
    assert all(np.diff(rates[peak:]) < 0)


def test_bfloat16_trains_to_nearly_the_same_loss() -> None:
    config = TrainingConfig(epochs=3, batch_tokens=60)
    exact = run(student(), config)
    lower = run(student(), config, objective=OBJECTIVE._replace(precision="bfloat16"))
    assert lower.best_loss == pytest.approx(exact.best_loss, rel=0.02)


def test_a_diverging_training_says_what_to_change() -> None:
    config = TrainingConfig(epochs=20, batch_tokens=60, learning_rate=1e30, schedule="constant")
    with pytest.raises(UserError, match="lower learning_rate"):
        run(student(), config, validated=False)


def test_a_model_that_scales_its_logits_is_refused() -> None:
    config = CohereConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        logit_scale=0.1,
        num_attention_heads=2,
        pad_token_id=None,
        bos_token_id=0,
        eos_token_id=0,
    )
    with pytest.raises(UserError, match="more than a linear head"):
        run(CohereForCausalLM(config))


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "qwen3"])
def test_every_architecture_trains(architecture: str) -> None:
    config = TrainingConfig(epochs=1, batch_tokens=100)
    result = run(tiny_model(architecture, vocab_size=50, width=16), config)
    validations = [point.loss for point in result.curve if point.split == "valid"]
    assert len(validations) == 2
    assert np.isfinite(validations).all()
