"""Configuration of the index."""

from pydantic import BaseModel, Field


class IndexConfig(BaseModel, frozen=True, extra="forbid"):
    """How the datastore is indexed."""

    kind: str = Field(
        "auto",
        min_length=1,
        description="`auto` chooses by the number of rows; or a FAISS factory string.",
    )
    nprobe: int | None = Field(
        None, ge=1, description="Lists probed per query; raised until `min_recall` when unset."
    )
    min_recall: float = Field(
        0.998,
        gt=0,
        le=1,
        description="Least recall@k against exact search; below it, no index. At .998 targets are "
        "off by a total variation of about .001.",
    )
    recall_k: int = Field(1024, ge=1, description="The k of recall@k; at most rows - 1 is used.")
    recall_sample: int = Field(512, ge=1, description="Random rows on which recall is measured.")
    exact_limit: int = Field(
        200_000, ge=0, description="Rows up to which every key is compared and held in memory."
    )
    train_rows: int = Field(
        300_000, ge=1, description="Most keys on which lists and codes are trained."
    )
    seed: int = Field(0, ge=0, description="Seed of both samples.")
