"""The evaluation as plain rows, for those who print it."""

from pydantic import JsonValue

from storage.formats.row_tables import RESULTS
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


def evaluation_rows(store: Store, ref: ArtifactRef) -> list[dict[str, JsonValue]]:
    """The rows `system, base, split, metric, value, ci_low, ci_high, n` of an evaluation.

    Args:
        store: The artifact store.
        ref: An evaluation; it need not exist.

    Returns:
        The rows in the table's order; none when the evaluation has not been made.
    """
    if store.manifest(ref) is None:
        return []
    return RESULTS.read(store.readers(ref)["all"])
