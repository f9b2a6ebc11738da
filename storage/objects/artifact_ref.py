"""The name of an artifact: a stage and a fingerprint."""

from pydantic import BaseModel, Field


class ArtifactRef(BaseModel, frozen=True, extra="forbid"):
    """Points at one artifact of a store; the only thing that crosses task borders.

    It says where the artifact lives (`artifacts/<stage>/<fingerprint>/`), not whether it exists.
    """

    stage: str = Field(pattern=r"^[a-z][a-z_]*$")
    fingerprint: str = Field(pattern=r"^[0-9a-f]{32}$")

    def __str__(self) -> str:
        """Short and readable: `tokens/3f2a91bc04de`."""
        return f"{self.stage}/{self.fingerprint[:12]}"
