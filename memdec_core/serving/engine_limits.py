"""How much the serving engine takes on at a time."""

from pydantic import BaseModel, Field


class EngineLimits(BaseModel, frozen=True, extra="forbid"):
    """Bounds of the memory and of the waiting time of many requests at once."""

    max_batch: int = Field(32, ge=1, description="Most rows that are decoded together.")
    max_queue: int = Field(256, ge=1, description="Most requests that wait for a row.")
    max_batch_tokens: int = Field(
        32768,
        ge=2,
        description="Most tokens whose keys and values are kept: rows decoded together, times the "
        "longest one's prompt and new tokens.",
    )
    prefill_tokens: int = Field(
        512,
        ge=1,
        description="Most tokens of prompts read between two steps of the rows that are decoded.",
    )
