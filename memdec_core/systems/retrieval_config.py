"""How the in-context retrieval baseline retrieves (Ram et al. 2023)."""

from pydantic import BaseModel, Field


class RetrievalConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of the baseline that puts a passage of the training text before the context.

    k1 and b are those of Pyserini, with which Ram et al. retrieved; bm25s' own 1.5 and .75 are
    meant for queries of a few words.
    """

    query_tokens: int = Field(
        32, ge=1, description="Last tokens of the context that a passage is searched with."
    )
    stride: int = Field(4, ge=1, description="Tokens that are predicted with one passage.")
    passage_tokens: int = Field(
        128,
        ge=1,
        description="Most tokens of a passage; passages are cut document by document.",
    )
    k1: float = Field(
        0.9, ge=0, description="BM25: how slowly a token that is repeated stops to count."
    )
    b: float = Field(0.4, ge=0, le=1, description="BM25: how much longer passages are held back.")
