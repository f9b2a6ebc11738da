"""adapted_model: the base model itself trained on the domain, DAPT or LoRA, to compare with."""

import numpy as np
from peft import LoraModel
from pydantic import JsonValue, TypeAdapter
from transformers import PreTrainedModel

from memdec_core.models.model_loading import describe_model
from memdec_core.training.adaptation import adapted_layers, add_lora, matched_rank, merge_lora
from memdec_core.training.batch_loss import Objective
from memdec_core.training.trainer import train
from memdec_core.training.training_batches import EpochBatches, WindowData
from memdec_core.training.training_config import AdaptationConfig, DaptConfig, LoraConfig
from memdec_core.training.training_state import trained_parameters
from memdec_core.windows.windows import WindowConfig, make_windows, n_rows
from storage.formats.array_files import CheckpointFiles
from storage.formats.token_shards import TokenReader
from tasks.inputs.domain_training import load_learner, training_windows
from tasks.inputs.trained_model import write_trained_model
from tasks.jobs.stage_work import ShardRun, StageWork

_ADAPTATION: TypeAdapter[DaptConfig | LoraConfig] = TypeAdapter(AdaptationConfig)


def adapt_base_model_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Trains the base model on the train split with cross-entropy, watching the valid split.

    Continues from its last checkpoint if it was killed.

    Args:
        run: Shard `all`; config sections `adaptation` and `windows`; inputs tokens, base_model,
            and student where LoRA's rank is matched to the memory's parameters, which it has.

    Returns:
        Method, parameters trained, LoRA's rank, and the figures of every training.

    Raises:
        UserError: Tokens and model do not fit together, LoRA does not know the model's family, or
            the loss diverges.
    """
    config = _ADAPTATION.validate_python(run.job.config["adaptation"])
    windows = training_windows(run, config, "adaptation")
    model, tokenizer, vocab_size = load_learner(run, "base_model", windows)
    figures: dict[str, JsonValue] = {"method": config.method}
    adapter: LoraModel | None = None
    if isinstance(config, LoraConfig):
        figures["lora_rank"] = rank = config.lora_rank or _matched_rank(run, model)
        adapter = add_lora(model, rank, config.seed)
    figures["parameters_trained"] = sum(p.numel() for p in trained_parameters(model).values())
    result = train(
        model,
        EpochBatches(_read_split(run, "train", windows, vocab_size), config),
        config,
        objective=Objective(0.0, vocab_size, config.precision),
        validation=_read_split(run, "valid", windows, vocab_size),
        checkpoints=CheckpointFiles(run.store.scratch(run.job.ref)),
        report=run.report,
    )
    if adapter is not None:
        merge_lora(adapter)
    return figures | write_trained_model(run.writer, model, tokenizer, result)


def _matched_rank(run: ShardRun, model: PreTrainedModel) -> int:
    """The rank at which LoRA trains about as many parameters as the memory has."""
    student = describe_model(run.only("student").folder())
    parameters = student["parameters"]
    assert isinstance(parameters, int)
    shapes = [layer.weight.shape for layer in adapted_layers(model).values()]
    return matched_rank([(rows, columns) for rows, columns in shapes], parameters)


def _read_split(run: ShardRun, split: str, windows: WindowConfig, vocab_size: int) -> WindowData:
    """One split without targets; nothing is read yet but document offsets."""
    tokens = TokenReader(run.readers("tokens"), split)
    one_group = np.array([0, n_rows(tokens.offsets_D1, windows.scope)])  # memory-mapped: any order
    return WindowData(
        make_windows(tokens.offsets_D1, windows), tokens.read, None, one_group, vocab_size
    )


WORK = StageWork(adapt_base_model_shard)
