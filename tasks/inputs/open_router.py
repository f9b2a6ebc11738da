"""Opens a stored router."""

from memdec_core.errors import UserError
from memdec_core.router.alpha_router import AlphaRouter
from memdec_core.router.router_features import FEATURES
from storage.formats.array_files import read_router
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


def open_router(store: Store, ref: ArtifactRef) -> AlphaRouter:
    """A router, on the CPU.

    Args:
        store: Where it is.
        ref: An artifact of the stage `alpha_router`.

    Raises:
        UserError: It was fitted on other features than this version computes.
    """
    arrays, facts = read_router(store.only(ref))
    if facts["features"] != [*FEATURES]:
        raise UserError(
            f"{ref} was fitted on the features {facts['features']}, but this version computes "
            f"{[*FEATURES]}; fit it again with `memdec compare`"
        )
    return AlphaRouter.from_arrays(arrays)
