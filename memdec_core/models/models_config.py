"""Configuration of the models: the base, the student, their vocabulary, the keys."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from memdec_core.text.text_config import CorpusConfig

Precision = Literal["float32", "bfloat16"]
"""Arithmetic of a model that is trained or that scores."""

ComputeDtype = Literal["float32", "bfloat16", "float16"]
Embeddings = Literal["random", "overlap"]


class PretrainConfig(BaseModel, frozen=True, extra="forbid"):
    """A small decoder and its tokenizer, trained from scratch on a general corpus."""

    corpus: CorpusConfig = Field(description="The general text to train on.")
    architecture: Literal["gpt2", "qwen3", "llama"] = Field(
        "gpt2", description="Kind of decoder, in the terms of transformers."
    )
    layers: int = Field(4, ge=1, description="Transformer blocks.")
    width: int = Field(256, ge=8, description="Size of the hidden states, a multiple of `heads`.")
    heads: int = Field(4, ge=1, description="Attention heads per block.")
    vocab_size: int = Field(
        8192, ge=257, description="Tokens of the byte-level BPE tokenizer trained with the model."
    )
    context_length: int = Field(
        512, ge=2, description="Most tokens the model sees at once, at least the windows' length."
    )
    tokens: int = Field(
        20_000_000,
        ge=1,
        description="Training budget in tokens; the corpus is repeated, reshuffled, to fill it.",
    )
    batch_tokens: int = Field(16_384, ge=2, description="Tokens per optimiser step.")
    learning_rate: float = Field(
        1e-3, gt=0, description="Peak learning rate, reached after a warm-up, then a cosine to 0."
    )
    precision: Precision = Field(
        "float32",
        description="Arithmetic of the forward and backward pass (weights stay float32); "
        "`bfloat16` is faster where the processor has it.",
    )
    seed: int = Field(0, ge=0, description="Seeds the initial weights and the order of the data.")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width ({self.width}) must be a multiple of twice the heads ({self.heads}): "
                "every head gets an even share of it (rotary positions work on pairs)"
            )
        if self.batch_tokens < self.context_length:
            raise ValueError(
                f"batch_tokens ({self.batch_tokens}) must hold at least one sequence of "
                f"context_length ({self.context_length}) tokens"
            )
        return self


class BaseModelConfig(BaseModel, frozen=True, extra="forbid"):
    """Exactly one of `name` (a model that exists) and `pretrain` (a model to train)."""

    name: str | None = Field(
        None,
        min_length=1,
        description="A folder in Hugging Face format (config.json, *.safetensors, tokenizer), or "
        "the id of a model on the Hugging Face hub, such as `openai-community/gpt2`.",
    )
    revision: str | None = Field(
        None,
        min_length=1,
        description="Branch, tag or commit of a hub model; its newest commit when unset.",
    )
    pretrain: PretrainConfig | None = Field(
        None, description="Train a small model from scratch instead; needs no download."
    )
    license: str | None = Field(
        None,
        min_length=1,
        description="Licence of the model, such as `apache-2.0`, for the card of an exported "
        "model; it changes no artifact.",
    )

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Self:
        if (self.name is None) == (self.pretrain is None):
            raise ValueError(
                "give either `name` (a model folder or a hub id) or `pretrain` (a model to train "
                "from scratch), not " + ("neither" if self.name is None else "both")
            )
        if self.revision is not None and self.name is None:
            raise ValueError("`revision` belongs to a hub model; a pretrained one has none")
        return self


class FromMemoryConfig(BaseModel, frozen=True, extra="forbid"):
    """A trained memory whose body is kept; embeddings and head are made for the new tokenizer."""

    section: ClassVar[str] = "student"

    name: str = Field(
        min_length=1,
        description="The trained memory: its folder in Hugging Face format (the last line of "
        "`memdec artifacts show memory/…`), a copy of that, or a hub id.",
    )
    revision: str | None = Field(
        None,
        min_length=1,
        description="Branch, tag or commit of a hub model; its newest commit when unset.",
    )
    embeddings: Embeddings = Field(
        "overlap",
        description="First rows of embeddings and head. `overlap`: tokens that stand for the same "
        "text in both vocabularies keep their row, others start from the mean of the rows that "
        "their text has in the old one; `random`: all are drawn, as in the paper.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seeds the rows that are drawn.")


class VocabularyConfig(BaseModel, frozen=True, extra="forbid"):
    """The ids that all models of a run share; never set by hand."""

    size: int = Field(ge=1, description="Every id below it means the same to all models.")


class EmbeddingsConfig(BaseModel, frozen=True, extra="forbid"):
    """How keys are computed and cut into shards."""

    compute_dtype: ComputeDtype = Field(
        "float32",
        description="Precision of the forward pass; keys are stored in float16. `bfloat16` is up "
        "to twice as fast, with keys off by about 0.6 %; `float16` needs a GPU.",
    )
    shard_positions: int = Field(
        65_536, ge=1, description="Most positions of a shard, which holds whole windows."
    )
