"""Opens a stored router."""

from memdec_core.alpha_router import AlphaRouter
from memdec_core.errors import UserError
from memdec_core.router_features import FEATURES
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.router_files import read_router


def open_router(store: Store, ref: ArtifactRef) -> AlphaRouter:
    """A router, on the CPU.

    Args:
        store: Where it is.
        ref: An artifact of the stage `alpha_router`.

    Raises:
        UserError: It was fitted on other features than this version computes.
    """
    arrays, facts = read_router(store.readers(ref)["all"])
    if facts["features"] != [*FEATURES]:
        raise UserError(
            f"{ref} was fitted on the features {facts['features']}, but this version computes "
            f"{[*FEATURES]}; fit it again with `memdec compare`"
        )
    return AlphaRouter.from_arrays(arrays)
