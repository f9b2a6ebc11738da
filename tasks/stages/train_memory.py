"""memory: a student learns to give p_kNN without the datastore."""

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.training.batch_loss import Objective
from memdec_core.training.sparse_targets import SparseTargets
from memdec_core.training.trainer import train
from memdec_core.training.training_batches import EpochBatches, WindowData
from memdec_core.training.training_config import MemoryTrainingConfig
from memdec_core.windows.windows import WindowConfig, make_windows, n_rows
from storage.formats.array_files import CheckpointFiles
from storage.formats.target_parquet import TargetReader
from storage.formats.token_shards import TokenReader
from tasks.inputs.domain_training import load_learner, training_windows
from tasks.inputs.trained_model import write_trained_model
from tasks.jobs.stage_work import ShardRun, StageWork


def train_memory_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Trains the student on the targets of the train split, watching those of the valid split.

    Continues from its last checkpoint if it was killed.

    Args:
        run: Shard `all`; config sections `training` and `windows`; inputs tokens, targets, student.

    Returns:
        Steps, positions trained on, parameters, losses and the step of the weights kept.

    Raises:
        UserError: Tokens, targets and student do not fit together, or the loss diverges.
    """
    config = run.config(MemoryTrainingConfig)
    windows = training_windows(run, config, "training")
    model, tokenizer, vocab_size = load_learner(run, "student", windows)
    training = _read_split(run, "train", windows, vocab_size)
    result = train(
        model,
        EpochBatches(training, config),
        config,
        objective=Objective(config.beta, vocab_size, config.precision),
        validation=_read_split(run, "valid", windows, vocab_size),
        checkpoints=CheckpointFiles(run.store.scratch(run.job.ref)),
        report=run.report,
    )
    return write_trained_model(run.writer, model, tokenizer, result)


def _read_split(run: ShardRun, split: str, windows: WindowConfig, vocab_size: int) -> WindowData:
    """One split with its targets; nothing is read yet but document offsets."""
    tokens = TokenReader(run.readers("tokens"), split)
    targets = TargetReader(run.readers("targets"), split)
    positions = n_rows(tokens.offsets_D1, windows.scope)
    if positions != targets.n_rows:
        raise UserError(
            f"targets: {targets.n_rows} rows in the {split} split, but its tokens have "
            f"{positions} positions with scope {windows.scope}; build the targets from the same "
            "tokens and config.windows.scope"
        )
    return WindowData(
        make_windows(tokens.offsets_D1, windows),
        tokens.read,
        lambda start, stop: SparseTargets(*targets.read(start, stop)),
        targets.group_starts,
        vocab_size,
    )


WORK = StageWork(train_memory_shard)
