"""base_model: a model folder or a hub model is copied, or a small model is pretrained."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import JsonValue
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.model_loading import describe_model, new_model, resolve_device
from memdec_core.models.models_config import BaseModelConfig, PretrainConfig
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents, token_dtype
from memdec_core.text.tokenizer_loading import complete_tokenizer, load_tokenizer, train_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from memdec_core.training.batch_loss import Objective
from memdec_core.training.trainer import train
from memdec_core.training.training_batches import EpochBatches, WindowData
from memdec_core.training.training_config import TrainingConfig
from memdec_core.windows.windows import WindowConfig, make_windows, n_rows
from storage.formats.array_files import CheckpointFiles
from storage.formats.corpus_parquet import CorpusReader
from storage.models.hub_model import copy_hub_model
from storage.models.model_folder import copy_model_folder, model_folder_digest
from tasks.inputs.trained_model import write_trained_model
from tasks.jobs.stage_work import ShardRun, StageWork

VALIDATIONS = 10


def build_base_model_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Copy or pretrain, as the configuration says.

    Args:
        run: Shard `all`; config section `base_model`.
    """
    if run.config(BaseModelConfig).pretrain is not None:
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
    config = run.config(BaseModelConfig)
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


def pretrain_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Trains a BPE tokenizer and a decoder on the general corpus, watching its valid split.

    Training continues from its last checkpoint if it was killed. Tokenizer and token files are
    made anew then: they come out the same, in a small part of the training's time.

    Args:
        run: Shard `all`; config section `base_model` with `pretrain`; input corpus.

    Returns:
        Size of the vocabulary, steps, positions trained on, parameters and losses.

    Raises:
        UserError: The corpus has no text to train on, or the loss diverges.
    """
    config = run.config(BaseModelConfig).pretrain
    assert config is not None
    corpus = CorpusReader(run.only("corpus"))
    run.report(0.0, "training the tokenizer")
    tokenizer = train_tokenizer(_texts(corpus, "train"), config.vocab_size)
    scratch = run.writer.folder / "token-files"
    scratch.mkdir()
    run.report(0.0, "tokenising")
    training, validation = (
        _tokenize_split(corpus, split, tokenizer, config, scratch) for split in ("train", "valid")
    )
    if not len(training.windows_W4):
        raise UserError("config.base_model.pretrain.corpus: no text in its train split")
    batches, settings = _plan_training(training, config)
    vocab_size = real_vocab_size(tokenizer)
    model = new_model(config, vocab_size, int(tokenizer.eos_token_id))
    model.to(resolve_device(run.settings.device))  # type: ignore[arg-type]  # wrapped, loses self
    result = train(
        model,
        batches,
        settings,
        objective=Objective(0.0, vocab_size, settings.precision),
        validation=validation if len(validation.windows_W4) else None,
        checkpoints=CheckpointFiles(run.store.scratch(run.job.ref)),
        report=run.report,
    )
    shutil.rmtree(scratch)
    figures = write_trained_model(run.writer, model, tokenizer, result)
    return {"vocab_size": vocab_size, **figures}


def _texts(corpus: CorpusReader, split: str) -> Iterator[str]:
    for part in corpus.parts(split):
        for _, texts in corpus.texts(part):
            yield from texts


def _tokenize_split(
    corpus: CorpusReader,
    split: str,
    tokenizer: PreTrainedTokenizerFast,
    config: PretrainConfig,
    folder: Path,
) -> WindowData:
    """Writes the split's token stream to a file and maps it into memory."""
    dtype = token_dtype(real_vocab_size(tokenizer))
    path = folder / f"{split}.bin"
    with path.open("wb") as file:
        for block in encode_documents(tokenizer, _texts(corpus, split), TokensConfig()):
            file.write(block.token_ids_T.astype(dtype).tobytes())
    count = path.stat().st_size // np.dtype(dtype).itemsize
    tokens_T = np.memmap(path, dtype, mode="r") if count else np.zeros(0, dtype)
    offsets = np.array([0, count])
    windows = WindowConfig(
        length=config.context_length, stride=config.context_length - 1, scope="stream"
    )
    return WindowData(
        make_windows(offsets, windows),
        lambda start, stop: tokens_T[start:stop],
        None,
        np.array([0, n_rows(offsets, "stream")]),  # one group: any order reads the file as fast
        real_vocab_size(tokenizer),
    )


def _plan_training(
    training: WindowData, config: PretrainConfig
) -> tuple[EpochBatches, TrainingConfig]:
    """Enough steps for the budget of tokens, over as many epochs as that takes."""
    positions = int(training.group_starts_G1[-1])
    settings = TrainingConfig(
        epochs=math.ceil(config.tokens / positions),
        learning_rate=config.learning_rate,
        schedule="cosine",
        warmup_fraction=0.05,
        weight_decay=0.1,
        batch_tokens=config.batch_tokens,
        validations_per_epoch=max(1, round(VALIDATIONS * positions / config.tokens)),
        precision=config.precision,
        seed=config.seed,
    )
    per_epoch = EpochBatches(training, settings).steps_per_epoch
    steps = math.ceil(config.tokens * per_epoch / positions)
    return EpochBatches(training, settings, steps), settings


WORK = StageWork(build_base_model_shard)
