"""How the router of an adaptive α is trained."""

from pydantic import BaseModel, Field


class AlphaRouterConfig(BaseModel, frozen=True, extra="forbid"):
    """A small network from what base and memory predict to the memory's weight at each token."""

    hidden_units: int = Field(
        16, ge=0, le=1024, description="Width of its hidden layer; 0 is logistic regression."
    )
    held_out: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="Share of the validation documents that it is not fitted on: they say when to "
        "stop, and how strongly to regularise.",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="Seed of that choice and of the first weights."
    )
