"""Configuration of the targets."""

from pydantic import BaseModel, Field

from memdec_core.errors import UserError
from memdec_core.search.excluded_rows import Exclude


class TargetsConfig(BaseModel, frozen=True, extra="forbid"):
    """How neighbours become training targets."""

    k: int = Field(1024, ge=1, description="Neighbours per position.")
    tau: float = Field(16.0, gt=0, description="Temperature τ on squared L2 distances.")
    exclude: Exclude = Field(
        "self",
        description="What a position must not see besides itself: nothing, its whole document, "
        "or its neighbourhood within the document.",
    )
    neighbourhood: int = Field(
        16, ge=1, description="Positions struck out on either side with `exclude: neighbourhood`."
    )
    mass: float = Field(
        0.999, gt=0, le=1, description="Probability kept, most likely tokens first."
    )
    max_entries: int = Field(256, ge=1, description="Most tokens kept per position.")
    max_total_variation: float = Field(
        0.01, gt=0, le=1, description="Refuse targets further than this from exact p_kNN."
    )
    gate_sample: int = Field(
        256, ge=1, description="Random positions of each shard compared with exact p_kNN."
    )
    seed: int = Field(0, ge=0, description="Seed of that sample.")


def check_k(k: int, datastore_rows: int) -> None:
    """Refuses a `k` that no position of the datastore can have besides itself.

    Raises:
        UserError: `k` is too large.
    """
    if k >= datastore_rows:
        raise UserError(
            f"config.targets.k: {k} neighbours cannot be had from a datastore of {datastore_rows} "
            f"rows; set it to {max(1, datastore_rows - 1)} or less, or use a larger corpus"
        )
