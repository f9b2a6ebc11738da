"""embeddings: windows of the token stream become rows of keys and the tokens that follow."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from pydantic import JsonValue

from memdec_core.models.key_model import KeyModel
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.models.models_config import EmbeddingsConfig
from memdec_core.search.embedding import embed_windows
from memdec_core.windows.window_batches import consecutive_runs
from memdec_core.windows.windows import (
    END,
    FIRST,
    ROW,
    START,
    Int64Array,
    WindowConfig,
    make_windows,
)
from storage.formats.embedding_zarr import EmbeddingBlock, write_embeddings
from storage.formats.token_shards import TokenReader
from storage.store.artifact_store import Store
from storage.store.shard_files import of_split, split_of
from tasks.inputs.counted_progress import CountedProgress
from tasks.jobs.stage_figures import StageFigures
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun, StageWork

EMBEDDED_SPLITS = ("train", "valid")
"""The datastore and its queries; the test split is for the evaluation alone."""


class EmbeddedShard(StageFigures):
    """What one shard holds, and how fast the model gave it."""

    rows: int
    first_row: int
    width: int
    windows: int
    tokens_read: int
    tokens_per_second: float


def list_shards(job: StageJob, store: Store) -> list[str]:
    """Name the shards: runs of whole windows, cut by the configuration alone."""
    plans = [_plan_split(job, store, split) for split in EMBEDDED_SPLITS]
    return [
        f"{plan.split}-{number:05d}" for plan in plans for number in range(len(plan.window_runs))
    ]


def embed_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Compute and write the rows of one shard.

    Args:
        run: A shard named after its split and number; config sections `embeddings` and `windows`.

    Returns:
        The shard's rows and the first of them, width of a key, windows, tokens the model read
        (contexts count again in every window) and how many of them a second.

    Raises:
        UserError: The base model has no known key layer, or does not fit the windows, the tokens
            or the memory; or a key does not fit float16.
    """
    config = run.config(EmbeddingsConfig)
    split = split_of(run.shard)
    plan = _plan_split(run.job, run.store, split)
    start, stop = plan.window_runs[int(run.shard.removeprefix(f"{split}-"))]
    windows_W4 = plan.windows_W4[start:stop]

    base_model = run.only("base_model")
    device = resolve_device(run.settings.device)
    model = KeyModel(load_model(base_model.folder(), device), config.compute_dtype)
    started = time.monotonic()
    rows, width = write_embeddings(run.writer, _blocks(run, plan, model, windows_W4))
    seconds = time.monotonic() - started
    assert rows == (windows_W4[:, END] - windows_W4[:, FIRST]).sum(), "every position has a row"

    tokens = int((windows_W4[:, END] - windows_W4[:, START]).sum())
    return EmbeddedShard(
        rows=rows,
        first_row=int(windows_W4[0, ROW]),
        width=width,
        windows=len(windows_W4),
        tokens_read=tokens,
        tokens_per_second=round(tokens / seconds, 1),
    ).model_dump()


def summarise(metas: Mapping[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """Add up rows, windows and tokens read by split; the speed is that of the median shard."""
    figures: dict[str, JsonValue] = {}
    shards = {name: EmbeddedShard.model_validate(meta) for name, meta in metas.items()}
    for split in EMBEDDED_SPLITS:
        parts = of_split(shards, split).values()
        figures[split] = {
            key: sum(getattr(part, key) for part in parts)
            for key in ("rows", "windows", "tokens_read")
        }
    speeds = [shard.tokens_per_second for shard in shards.values()]
    widths = {shard.width for shard in shards.values()}
    assert len(widths) == 1, "one model gives keys of one width"
    return {**figures, "width": widths.pop(), "tokens_per_second": float(np.median(speeds))}


class _SplitPlan(NamedTuple):
    """How one split is cut: its stream, its windows, and which of them each shard has."""

    split: str
    tokens: TokenReader
    windows_W4: Int64Array
    window_runs: list[tuple[int, int]]


def _plan_split(job: StageJob, store: Store, split: str) -> _SplitPlan:
    config = job.section(EmbeddingsConfig)
    tokens = TokenReader(store.readers(job.inputs["tokens"]), split)
    windows = job.section(WindowConfig)
    windows_W4 = make_windows(tokens.offsets_D1, windows)
    rows_W = windows_W4[:, END] - windows_W4[:, FIRST]
    runs = list(consecutive_runs(rows_W, config.shard_positions))
    return _SplitPlan(split, tokens, windows_W4, runs)


def _blocks(
    run: ShardRun, plan: _SplitPlan, model: KeyModel, windows_W4: Int64Array
) -> Iterator[EmbeddingBlock]:
    """Rows from the model, for the writer."""
    total = int((windows_W4[:, END] - windows_W4[:, FIRST]).sum())
    memory_bytes = int(run.settings.memory_gb * 1e9)
    progress, done = CountedProgress(run.report, total, "positions"), 0
    for rows in embed_windows(
        model, plan.tokens.read, plan.tokens.offsets_D1, windows_W4, memory_bytes
    ):
        yield EmbeddingBlock(*rows)
        done += len(rows.keys_ND)
        progress(done)


WORK = StageWork(embed_shard, list_shards, summarise)
