"""What is put to a model in one downstream task: prompts, and the strings that may follow."""

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from transformers import PreTrainedTokenizerFast

from memdec_core.downstream.choice_strings import (
    ChoiceStrings,
    Prompts,
    encode_choices,
    encode_prompts,
    prompt_room,
)
from memdec_core.downstream.downstream import DatasetScores
from memdec_core.downstream.downstream_config import DatasetName, DownstreamConfig
from memdec_core.downstream.downstream_prompts import (
    DATASET_PROMPTS,
    Strings,
    prompt_text,
    sample_records,
    tuning_half,
)
from memdec_core.errors import UserError
from storage.downstream.labelled_records import LabelledRecord, read_labelled_records
from storage.downstream.verbalizer_file import read_verbalizers
from storage.formats.choice_parquet import ChoiceTable, read_choices
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import (
    downstream_identity,
    source_errors,
    task_path,
    verbalizers_path,
)
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun


class TaskInputs(NamedTuple):
    """One task, as token ids.

    Attributes:
        records: The labelled records.
        tuning_R: Which of them are for tuning.
        strings: What may follow a prompt.
        prompts: Of every record, and last the domain premise.
        n_cut: How many prompts were too long.
    """

    records: list[LabelledRecord]
    tuning_R: NDArray[np.bool_]
    strings: ChoiceStrings
    prompts: Prompts
    n_cut: int


def list_tasks(job: StageJob, _store: Store) -> list[str]:
    """Name the shards: the tasks of the configuration, in the order of the paper's table."""
    config = job.section(DownstreamConfig)
    return [task for task in DATASET_PROMPTS if task in config.tasks]


def read_inputs(
    run: ShardRun, tokenizer: PreTrainedTokenizerFast, model_context: int | None
) -> TaskInputs:
    """Reads and encodes the task that a shard is named after.

    Args:
        run: The shard; config section `downstream`, and as `downstream` in the job's identity
            what `downstream_identity` says of it.
        tokenizer: The model's.
        model_context: Most tokens the model reads; None for any number.

    Raises:
        UserError: A file or a record cannot be used, a half has no record, or files changed since
            the run was planned.
    """
    config = run.config(DownstreamConfig)
    task = cast(DatasetName, run.shard)
    with source_errors():
        records = read_labelled_records(task, task_path(config, task))
    chosen = sample_records([each.record_id for each in records], config.max_records, config.seed)
    records = [records[number] for number in chosen]
    tuning_R = tuning_half([each.record_id for each in records])
    if tuning_R.all() or not tuning_R.any():
        raise UserError(
            f"config.comparison.downstream.tasks.{task}: its {len(records)} records fall into one "
            "half, and both are needed, to tune and to report; give more records"
        )
    strings = encode_choices(tokenizer, _verbalizers(config, task))
    texts = [prompt_text(task, record.fields) for record in records]
    room = prompt_room(strings, config.context_tokens, model_context)
    prompts, n_cut = encode_prompts(tokenizer, [*texts, DATASET_PROMPTS[task].domain_premise], room)
    if run.job.identity["downstream"] != downstream_identity(config):
        raise UserError(
            "config.comparison.downstream: files changed since the run was planned; run again, "
            "and let nothing write to them meanwhile"
        )
    return TaskInputs(records, tuning_R, strings, prompts, n_cut)


def choice_table(inputs: TaskInputs, log_probs_GRE: NDArray[np.float64]) -> ChoiceTable:
    """Scores with what was scored.

    Args:
        inputs: What was put to the model.
        log_probs_GRE: Its scores by setting, prompt (the domain premise last) and token.
    """
    return ChoiceTable(
        record_ids=tuple(record.record_id for record in inputs.records),
        label_R=np.array([record.label for record in inputs.records]),
        tuning_R=inputs.tuning_R,
        texts_S=inputs.strings.texts_S,
        label_S=inputs.strings.label_S,
        offsets_S1=inputs.strings.offsets_S1,
        token_ids_E=inputs.strings.token_ids_E,
        log_probs_GRE=log_probs_GRE[:, :-1],
        domain_GE=log_probs_GRE[:, -1],
    )


def input_figures(inputs: TaskInputs) -> dict[str, JsonValue]:
    """What was put to the model, counted."""
    return {
        "records": len(inputs.records),
        "for_tuning": int(inputs.tuning_R.sum()),
        "strings": len(inputs.strings.texts_S),
        "prompts_cut": inputs.n_cut,
    }


def _verbalizers(config: DownstreamConfig, task: DatasetName) -> Strings:
    path = verbalizers_path(config)
    if path is None:
        return DATASET_PROMPTS[task].verbalizers
    with source_errors():
        return read_verbalizers(path).get(task, DATASET_PROMPTS[task].verbalizers)


def scored_tasks(store: Store, ref: ArtifactRef) -> list[dict[str, DatasetScores]]:
    """A system's scores by task, in the order of the paper's table, for each of its settings.

    Args:
        store: Where they are.
        ref: A `choice_scores` artifact; that of kNN-LM has a setting for every temperature.
    """
    readers = store.readers(ref)
    by_task = {
        task: settings_of(read_choices(readers[task]))
        for task in DATASET_PROMPTS
        if task in readers
    }
    n_settings = min(map(len, by_task.values()))
    return [{task: scores[g] for task, scores in by_task.items()} for g in range(n_settings)]


def settings_of(table: ChoiceTable) -> list[DatasetScores]:
    """The scores of one task, for each setting."""
    return [
        DatasetScores(
            label_R=table.label_R,
            tuning_R=table.tuning_R,
            label_S=table.label_S,
            offsets_S1=table.offsets_S1,
            log_probs_RE=log_probs_RE,
            domain_E=domain_E,
        )
        for log_probs_RE, domain_E in zip(table.log_probs_GRE, table.domain_GE, strict=True)
    ]
