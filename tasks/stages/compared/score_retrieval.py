"""scores of in-context retrieval: a base that reads a retrieved passage before the context."""

import time

import numpy as np
from pydantic import JsonValue

from memdec_core.scoring.perplexity import perplexity, split_log_probs
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.systems.passage_retrieval import PassageIndex, cut_passages
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.systems.retrieval_lm import RetrievalLM
from storage.formats.token_shards import TokenReader
from tasks.inputs.counted_progress import CountedProgress
from tasks.inputs.cut_vocabulary import check_split
from tasks.inputs.evaluated_splits import open_splits
from tasks.inputs.scored_model import (
    batch_tokens,
    by_split,
    list_splits,
    open_model,
    write_split_scores,
)
from tasks.jobs.stage_work import ShardRun, StageWork


def score_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Score one split.

    Args:
        run: A shard named after its split; config sections `scoring`, `retrieval` and `windows`,
            and `vocabulary` where the base's tokenizer is cut; inputs tokens and model (the base).

    Returns:
        Positions, passages, perplexity, and how many positions were scored in a second.

    Raises:
        UserError: Passage and query do not fit the model, or there is no training text.
    """
    split = open_splits(run.job, run.store)[run.shard]
    config = run.config(RetrievalConfig)
    base = open_model(run, "model", run.config(ScoringConfig))
    check_split(split, run.shard, base.vocab_size)
    train = TokenReader(run.readers("tokens"), "train")
    passages_N2 = cut_passages(train.offsets_D1, config.passage_tokens)
    run.report(0.0, f"indexing {len(passages_N2):,} passages")
    index = PassageIndex.build((train.read(*span) for span in passages_N2.tolist()), config)
    most_tokens = batch_tokens(base, run.settings)
    lm = RetrievalLM(
        base,
        index,
        lambda passage: train.read(*passages_N2[passage].tolist()),
        config,
        batch_tokens=most_tokens,
    )
    started = time.monotonic()
    log_probs_N = split_log_probs(
        lm,
        split.windows_W4,
        split.read_tokens,
        batch_tokens=most_tokens,
        on_progress=CountedProgress(run.report, split.n_positions, "positions").fraction,
    )
    figures = write_split_scores(run.writer, log_probs_N[np.newaxis], started)
    return figures | {"passages": len(passages_N2), "perplexity": perplexity(log_probs_N)}


WORK = StageWork(score_shard, list_splits, by_split)
