"""choice_scores: the log-probability that a model gives the choices of downstream tasks.

By token, so that a mixture of any weight, and every way of scoring labels, follows from them.
"""

import time

import numpy as np
from pydantic import JsonValue

from memdec_core.downstream.choice_scoring import choice_log_probs
from memdec_core.downstream.downstream import METHODS, predict
from memdec_core.downstream.downstream_config import DownstreamConfig
from memdec_core.errors import UserError
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.formats.choice_parquet import write_choices
from tasks.inputs.downstream_inputs import (
    TaskInputs,
    choice_table,
    input_figures,
    list_tasks,
    read_inputs,
    settings_of,
)
from tasks.inputs.scored_model import batch_tokens, by_split, open_model
from tasks.jobs.stage_work import ShardRun, StageWork


def score_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Score one task.

    Args:
        run: A shard named after its task; config section `downstream`, and `vocabulary`
            where the model's tokenizer is cut; input model.

    Returns:
        Records, strings and prompts cut, the model's accuracy on the reported half, and how many
        records were scored in a second.

    Raises:
        UserError: A file or a record cannot be used, or a choice does not fit the model.
    """
    config = run.config(DownstreamConfig)
    lm = open_model(run, "model", config)
    tokenizer = load_tokenizer(run.only("model").folder())
    inputs = read_inputs(run, tokenizer, lm.context_length)
    _check_ids(run, inputs, lm.vocab_size)
    started = time.monotonic()
    log_probs_RE = choice_log_probs(
        lm,
        inputs.prompts,
        inputs.strings,
        batch_tokens=batch_tokens(lm, run.settings),
        on_progress=lambda fraction: run.report(fraction, run.shard),
    )
    seconds = time.monotonic() - started
    table = choice_table(inputs, log_probs_RE[np.newaxis])
    write_choices(run.writer, table)
    reported = settings_of(table)[0].half(tuning=False)
    return input_figures(inputs) | {
        **{
            f"accuracy_{method}": float((predict(reported, method) == reported.label_R).mean())
            for method in METHODS
        },
        "records_per_second": round(len(inputs.records) / seconds, 1),
    }


def _check_ids(run: ShardRun, inputs: TaskInputs, vocab_size: int) -> None:
    """Refuses text that spells out a token which not all models have: it would not be the same."""
    largest = max(int(ids.max()) for ids in [*inputs.prompts, inputs.strings.token_ids_E])
    if largest >= vocab_size:
        raise UserError(
            f"config.comparison.downstream.tasks.{run.shard}: a record or label spells out an "
            f"added token (id {largest}) that not all models have, for their tokenizers share only "
            f"the ids below {vocab_size}; take such text out"
        )


WORK = StageWork(score_shard, list_tasks, by_split)
