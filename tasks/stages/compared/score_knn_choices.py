"""choice_scores of kNN-LM: what p_kNN of a base's own datastore gives the choices.

The neighbours' part alone, under every temperature tried, as `score_knn_lm` has it for text.
"""

import time

import numpy as np
from pydantic import JsonValue

from memdec_core.downstream.knn_choices import ChoiceSearch, knn_choice_log_probs
from memdec_core.models.key_model import KeyModel
from memdec_core.models.model_loading import context_length, load_model, resolve_device
from memdec_core.models.models_config import EmbeddingsConfig
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.formats.choice_parquet import write_choices
from storage.formats.embedding_zarr import EmbeddingReader
from tasks.inputs.downstream_inputs import choice_table, input_figures, list_tasks, read_inputs
from tasks.inputs.open_datastore import MEMORY_SHARE, KnnLmConfig, open_datastore
from tasks.inputs.scored_model import by_split
from tasks.jobs.stage_work import ShardRun, StageWork


def score_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Score one task.

    Args:
        run: A shard named after its task; config sections `downstream`, `knn_lm` and `embeddings`;
            inputs model (the base), its embeddings and its index.

    Returns:
        Records, strings and prompts cut, the share of the choices' tokens that follow a neighbour,
        and how many records were scored in a second.

    Raises:
        UserError: A file or a record cannot be used, or a prompt does not fit model or memory.
    """
    knobs = run.config(KnnLmConfig)
    base = run.only("model").folder()
    model = load_model(base, resolve_device(run.settings.device))
    inputs = read_inputs(run, load_tokenizer(base), context_length(model.config))
    embedding = run.config(EmbeddingsConfig)
    embeddings = EmbeddingReader(run.readers("embeddings"), "train")
    search = ChoiceSearch(
        KeyModel(model, embedding.compute_dtype),
        open_datastore(run.only("index"), embeddings),
        embeddings.next_tokens(),
        knobs.k,
        int(run.settings.memory_gb * 1e9 * MEMORY_SHARE),
    )
    started = time.monotonic()
    log_probs_GRE = knn_choice_log_probs(
        search,
        inputs.prompts,
        inputs.strings,
        knobs.taus,
        on_progress=lambda fraction: run.report(fraction, run.shard),
    )
    seconds = time.monotonic() - started
    write_choices(run.writer, choice_table(inputs, log_probs_GRE))
    return input_figures(inputs) | {
        "found": float(np.isfinite(log_probs_GRE).any(axis=0).mean()),
        "records_per_second": round(len(inputs.records) / seconds, 1),
    }


WORK = StageWork(score_shard, list_tasks, by_split)
