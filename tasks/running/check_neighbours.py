"""Refuses more neighbours than the datastore will have, before hours are spent on it."""

from memdec_core.targets.targets_config import TargetsConfig, check_k
from memdec_core.windows.windows import WindowConfig
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob


def check_neighbours(embeddings: StageJob, targets: StageJob, store: Store) -> None:
    """Compares k with the rows that the datastore will have, which the tokens decide.

    Args:
        embeddings: Planned; its tokens are built.
        targets: Planned.
        store: Where the tokens are.

    Raises:
        UserError: `config.targets.k` exceeds the datastore.
    """
    windows = WindowConfig.model_validate(embeddings.config["windows"])
    figures = store.require(embeddings.inputs["tokens"]).figures["train"]
    assert isinstance(figures, dict)
    positions, tokens = figures["positions"], figures["tokens"]
    assert isinstance(positions, int)
    assert isinstance(tokens, int)
    config = TargetsConfig.model_validate(targets.config["targets"])
    check_k(config.k, positions if windows.scope == "document" else tokens - 1)
