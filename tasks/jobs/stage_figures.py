"""Figures of stages that others go on with, checked when they are read back from a manifest."""

from typing import Self

from pydantic import BaseModel, ValidationError

from storage.objects.manifest import Manifest
from storage.objects.store_errors import DamagedArtifact


class StageFigures(BaseModel, frozen=True):
    """Those of a stage's figures that are read; there may be more."""

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """The figures of an artifact.

        Raises:
            DamagedArtifact: They are not those of its stage.
        """
        try:
            return cls.model_validate(manifest.figures)
        except ValidationError as error:
            raise DamagedArtifact(
                f"{manifest.ref}: not the figures of its stage ({error}); rebuild it with "
                f"`memdec run --force {manifest.ref.stage}`"
            ) from error


class CorpusFigures(StageFigures):
    """Characters kept, by split."""

    characters: dict[str, int]


class RecordFigures(StageFigures):
    """A corpus's records: how many were read, those rejected by reason, what damage took away."""

    records: int
    rejected_by_reason: dict[str, int]
    lost_bytes: int = 0


class TokenCounts(StageFigures):
    """Tokens of a split or shard; positions are those that follow another of their document."""

    documents: int
    characters: int
    tokens: int
    positions: int


class TokensFigures(StageFigures):
    """What the datastore's size follows from, and what a verdict rests on."""

    train: TokenCounts
    valid: TokenCounts | None = None
    test: TokenCounts | None = None


class TargetsFigures(StageFigures):
    """How far the targets are from exact p_kNN, on a sample of each split."""

    train_total_variation: float | None = None
    valid_total_variation: float | None = None


class GateFigures(StageFigures):
    """Whether a build passed, and why (not)."""

    passed: bool
    why: str
