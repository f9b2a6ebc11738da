"""The history of a finished pipeline: an evaluation of a base with a memory."""

from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.run_history import record_run
from tests.support.artifacts import as_shard, publish
from tests.support.scored_text import publish_model

BASE_SEED, MEMORY_SEED = 1, 9


def record_pipeline(store: Store, name: str, alpha: float) -> ArtifactRef:
    """Adds a finished run that ends with an evaluation which tuned `alpha`."""
    base = publish_model(store, BASE_SEED)
    nothing = {"valid": (lambda _folder: None, {})}
    inputs = {
        "memory": publish_model(store, MEMORY_SEED, stage="memory"),
        "base_0": publish(store, "scores", nothing, inputs={"model": base}),
    }
    row = {"system": "memory", "base": "b", "split": "valid", "metric": "alpha", "value": alpha}
    row |= {"ci_low": None, "ci_high": None, "n": 5}
    shard = (lambda folder: RESULTS.write(as_shard(folder), [row]), {})
    evaluation = publish(store, "evaluation", {"all": shard}, {"alpha": alpha}, inputs)
    record_run(store, name, None, [base, inputs["memory"], evaluation])
    return evaluation
