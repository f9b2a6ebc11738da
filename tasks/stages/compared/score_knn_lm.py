"""scores of kNN-LM: what p_kNN of a base's own datastore gives every position of valid and test.

The neighbours' part alone, under every temperature tried: λ and τ are tuned from these scores and
the base's, without another search.
"""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from memdec_core.models.key_model import KeyModel
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.models.models_config import EmbeddingsConfig
from memdec_core.scoring.knn_scores import label_log_probs
from memdec_core.search.embedding import embed_windows
from memdec_core.search.neighbour_search import queries_at_once, search_unseen
from memdec_core.search.neighbours import without_rows
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.formats.embedding_zarr import EmbeddingReader
from tasks.inputs.counted_progress import CountedProgress
from tasks.inputs.cut_vocabulary import vocabulary_of
from tasks.inputs.evaluated_splits import open_splits
from tasks.inputs.open_datastore import MEMORY_SHARE, KnnLmConfig, open_datastore
from tasks.inputs.scored_model import by_split, list_splits, write_split_scores
from tasks.jobs.stage_work import ShardRun, StageWork


def score_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Score one split.

    Args:
        run: A shard named after its split; config sections `knn_lm`, `embeddings` and `windows`,
            and `vocabulary` where the base's tokenizer is cut; inputs tokens, model (the base), its
            embeddings and its index.

    Returns:
        Positions, the share whose token follows a neighbour, and how many were scored in a second.

    Raises:
        UserError: The model does not fit windows, tokens or memory.
    """
    knobs = run.config(KnnLmConfig)
    embeddings = EmbeddingReader(run.readers("embeddings"), "train")
    datastore = open_datastore(run.only("index"), embeddings)
    base = run.only("model").folder()
    values_R = embeddings.next_tokens()
    unknown_R = values_R >= vocabulary_of(run, load_tokenizer(base))
    started = time.monotonic()
    scores = []
    for keys_QD, label_Q in _queries(run, knobs.k):
        neighbours = without_rows(search_unseen(datastore, keys_QD, knobs.k), unknown_R)
        scores.append(label_log_probs(neighbours, values_R, label_Q, knobs.taus))
    log_probs_GN = np.concatenate(scores, axis=1)
    figures = write_split_scores(run.writer, log_probs_GN, started)
    return figures | {"found": float(np.isfinite(log_probs_GN[0]).mean())}


def _queries(run: ShardRun, k: int) -> Iterator[tuple[NDArray[np.float16], NDArray[np.integer]]]:
    """Keys and following tokens of the split's positions in stream order, many at a time."""
    split = open_splits(run.job, run.store)[run.shard]
    base = run.only("model").folder()
    embedding = run.config(EmbeddingsConfig)
    model = KeyModel(load_model(base, resolve_device(run.settings.device)), embedding.compute_dtype)
    memory_bytes = run.settings.memory_gb * 1e9 * MEMORY_SHARE
    blocks = embed_windows(
        model, split.read_tokens, split.offsets_D1, split.windows_W4, int(memory_bytes)
    )
    total = split.n_positions
    waiting: list[tuple[NDArray[np.float16], NDArray[np.integer]]] = []
    count = done = 0
    progress = CountedProgress(run.report, total, "positions")
    for block in blocks:
        waiting.append((block.keys_ND, block.next_token_N))
        count += len(block.keys_ND)
        most = queries_at_once(k, block.keys_ND.shape[1], memory_bytes)
        if done + count == total or count >= most:
            keys_QD, label_Q = (np.concatenate(arrays) for arrays in zip(*waiting, strict=True))
            for start in range(0, count, most):
                yield keys_QD[start : start + most], label_Q[start : start + most]
            waiting, done, count = [], done + count, 0
            progress(done)


WORK = StageWork(score_shard, list_splits, by_split)
