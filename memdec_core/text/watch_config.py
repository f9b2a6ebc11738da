"""How a corpus is watched for changes."""

from pydantic import BaseModel, ConfigDict, Field


class WatchConfig(BaseModel):
    """When documents that change count as changed; it changes no artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet_seconds: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="Seconds for which files have to stay as they are before they are read, so "
        "that a burst of changes is one change and a half-written file is none. A look that has "
        "waited ten times as long in vain leaves the matter to the next one.",
    )
