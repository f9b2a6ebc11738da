"""router_features: what a router sees of every position of valid and test.

An artifact of its own: routers of another size or seed are fitted on it without a forward pass.
"""

import time

from pydantic import JsonValue

from memdec_core.router.router_features import split_router_features
from memdec_core.scoring.scoring_config import ScoringConfig
from storage.formats.position_columns import write_features
from tasks.inputs.counted_progress import CountedProgress
from tasks.inputs.evaluated_splits import open_splits
from tasks.inputs.scored_model import batch_tokens, by_split, list_splits, open_model
from tasks.jobs.stage_work import ShardRun, StageWork


def extract_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Compute one split's features in one pass of both models.

    Args:
        run: A shard named after its split; config sections `scoring` and `windows`; inputs tokens,
            base and memory.

    Returns:
        Positions, and how many were read in a second.

    Raises:
        UserError: A model's context is shorter than the windows, or there is no validation text.
    """
    split = open_splits(run.job, run.store)[run.shard]
    config = run.config(ScoringConfig)
    base, memory = (open_model(run, role, config) for role in ("base", "memory"))
    started = time.monotonic()
    features_NF = split_router_features(
        base,
        memory,
        split.windows_W4,
        split.read_tokens,
        batch_tokens=min(batch_tokens(lm, run.settings) for lm in (base, memory)),
        on_progress=CountedProgress(run.report, split.n_positions, "positions").fraction,
    )
    write_features(run.writer, features_NF)
    n = len(features_NF)
    return {
        "positions": n,
        "positions_per_second": round(n / (time.monotonic() - started), 1),
    }


WORK = StageWork(extract_shard, list_splits, by_split)
