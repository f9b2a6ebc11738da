"""scores: the log-probability that a model gives every position of valid and test.

Every number of a comparison follows from such scores, so that one more base model, another grid of
α or more bootstrap samples cost no forward pass that was made before.
"""

import time

import numpy as np
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.scoring.perplexity import perplexity, split_log_probs
from memdec_core.scoring.scoring_config import ScoringConfig
from memdec_core.text.tokenizer_compatibility import compare_tokenizers
from memdec_core.text.tokenizer_loading import load_tokenizer
from tasks.inputs.counted_progress import CountedProgress
from tasks.inputs.cut_vocabulary import check_split, vocabulary_of
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
        run: A shard named after its split; config sections `scoring` and `windows`, and
            `vocabulary` where the model's tokenizer is cut; inputs tokens and model.

    Returns:
        Positions, their perplexity, and how many were scored in a second.

    Raises:
        UserError: The model has another tokenizer than the tokens, the text spells out a token that
            not all models have, the context is shorter than the windows, or there is no validation
            text.
    """
    split = open_splits(run.job, run.store)[run.shard]
    _check_tokenizer(run)
    config = run.config(ScoringConfig)
    lm = open_model(run, "model", config)
    check_split(split, run.shard, lm.vocab_size)
    started = time.monotonic()
    log_probs_N = split_log_probs(
        lm,
        split.windows_W4,
        split.read_tokens,
        batch_tokens=batch_tokens(lm, run.settings),
        on_progress=CountedProgress(run.report, split.n_positions, "positions").fraction,
    )
    figures = write_split_scores(run.writer, log_probs_N[np.newaxis], started)
    return figures | {"perplexity": perplexity(log_probs_N)}


def _check_tokenizer(run: ShardRun) -> None:
    """Check that the model's ids mean what they mean in the tokens."""
    made_by = run.store.require(run.job.inputs["tokens"]).inputs["base_model"]
    own, expected = (
        load_tokenizer(run.store.only(ref).folder()) for ref in (run.job.inputs["model"], made_by)
    )
    shared, difference, _ = compare_tokenizers(own, expected)
    if difference is not None:
        raise UserError(
            f"the tokenizers of {run.job.inputs['model']} and of {made_by}, which made the tokens, "
            f"differ: {difference} Use models of one family in config.evaluation.bases"
        )
    assert vocabulary_of(run, own) <= shared, "the plan cuts what the models do not share"


WORK = StageWork(score_shard, list_splits, by_split)
