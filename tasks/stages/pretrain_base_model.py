"""base_model, `pretrain`: a tokenizer and a small decoder from nothing but general text."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import JsonValue
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.model_loading import new_model, resolve_device
from memdec_core.models.models_config import BaseModelConfig, PretrainConfig
from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents, token_dtype
from memdec_core.text.tokenizer_match import real_vocab_size
from memdec_core.text.tokenizer_training import train_tokenizer
from memdec_core.training.batch_loss import Objective
from memdec_core.training.trainer import train
from memdec_core.training.training_batches import EpochBatches, WindowData
from memdec_core.training.training_config import TrainingConfig
from memdec_core.windows.windows import WindowConfig, make_windows, n_rows
from storage.formats.checkpoint_files import CheckpointFiles
from storage.formats.corpus_parquet import CorpusReader
from tasks.inputs.trained_model import write_trained_model
from tasks.jobs.stage_work import ShardRun

VALIDATIONS = 10


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
    config = BaseModelConfig.model_validate(run.job.config["base_model"]).pretrain
    assert config is not None
    corpus = CorpusReader(run.store.readers(run.job.inputs["corpus"])["all"])
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
    figures = write_trained_model(run.writer.folder, model, tokenizer, result)
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
