"""base_model: a model folder or a hub model is copied, or a small model is pretrained."""

from pathlib import Path

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.model_loading import describe_model
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.text.tokenizer_loading import complete_tokenizer, load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from storage.models.hub_model import copy_hub_model
from storage.models.model_folder import copy_model_folder, model_folder_digest
from tasks.jobs.stage_work import ShardRun, StageWork
from tasks.stages.pretrain_base_model import pretrain_shard


def build_base_model_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Copy or pretrain, as the configuration says.

    Args:
        run: Shard `all`; config section `base_model`.
    """
    if BaseModelConfig.model_validate(run.job.config["base_model"]).pretrain is not None:
        return pretrain_shard(run)
    return copy_base_model(run)


def copy_base_model(run: ShardRun) -> dict[str, JsonValue]:
    """Copy a model into the store, so that later runs need neither its folder nor the hub.

    A fast tokenizer is saved with it when it has none. Weights are not loaded, only copied.

    Args:
        run: Shard `all`; config section `base_model` with a `name`, identity as
            `base_model_identity` gave it when the run was planned.

    Returns:
        Architecture, parameters, layers, width, vocab_size, context_length and
        tokenizer_vocab_size of the model.

    Raises:
        UserError: The folder changed since the plan, the tokenizer cannot be used, or the model is
            no causal language model.
        StorageError: The folder or hub model is not there or not complete.
    """
    config = BaseModelConfig.model_validate(run.job.config["base_model"])
    identity, destination = run.job.identity, run.writer.folder
    assert config.name is not None
    run.report(0.0, f"copying {config.name}")
    if "commit" in identity:
        copy_hub_model(config.name, str(identity["commit"]), destination)
    else:
        copy_model_folder(Path(config.name).expanduser(), destination)
        if model_folder_digest(destination) != identity["folder_sha256"]:
            raise UserError(
                f"base_model.name: {config.name} changed since the run was planned; let nothing "
                "write to the folder and run again"
            )
    try:
        complete_tokenizer(destination)
        tokenizer_vocab_size = real_vocab_size(load_tokenizer(destination))
        return {**describe_model(destination), "tokenizer_vocab_size": tokenizer_vocab_size}
    except UserError as error:  # which names the copy
        raise UserError(f"base_model.name: {config.name}: {error}") from error


WORK = StageWork(build_base_model_shard)
