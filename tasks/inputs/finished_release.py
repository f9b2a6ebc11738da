"""What of a finished run is used together."""

from memdec_core.errors import UserError
from storage.store.artifact_store import Store
from storage.store.production import Release
from storage.store.run_history import FinishedRun


def release_of_run(store: Store, run: FinishedRun) -> Release:
    """The release that a run ended with; its base is the first that it evaluated.

    Raises:
        UserError: The run made no evaluation, or it has been collected.
    """
    evaluations = [ref for ref in run.artifacts if ref.stage == "evaluation"]
    if not evaluations or (manifest := store.manifest(evaluations[-1])) is None:
        raise UserError(
            f"the run of {run.when} has no evaluation in {store.url}; run the pipeline again"
        )
    base = store.require(manifest.inputs["base_0"]).inputs["model"]
    memory = manifest.inputs["memory"]
    for ref in (base, memory):
        store.require(ref)
    return Release(base=base, memory=memory, evaluation=evaluations[-1])
