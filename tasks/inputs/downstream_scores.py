"""Choice scores as the method computes with them."""

from memdec_core.downstream.downstream import DatasetScores
from memdec_core.downstream.downstream_prompts import DATASET_PROMPTS
from storage.formats.choice_parquet import ChoiceTable, read_choices
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


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
