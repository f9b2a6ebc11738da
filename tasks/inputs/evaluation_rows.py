"""The evaluation as plain rows, and the α that it chose, for those who show or use them."""

from pydantic import JsonValue

from memdec_core.errors import UserError
from storage.formats.row_tables import read_results
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
    return read_results(store.readers(ref)["all"])


def evaluated_alpha(store: Store, evaluation: ArtifactRef) -> float:
    """The α that an evaluation chose on the validation split, for its first base.

    Raises:
        UserError: There is no such evaluation.
    """
    for row in evaluation_rows(store, evaluation):
        if row["metric"] == "alpha":
            alpha = row["value"]
            assert isinstance(alpha, float)
            return alpha
    raise UserError(
        f"{store.url}: {evaluation} has not been made, so no α is known; "
        "run the pipeline first, or give --alpha"
    )
