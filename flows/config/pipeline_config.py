"""What a pipeline computes: one section per stage, each owned by the function it configures.

Also when its flows run by themselves.
"""

from typing import Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from memdec_core.comparison_config import ComparisonConfig
from memdec_core.models.models_config import BaseModelConfig, EmbeddingsConfig, FromMemoryConfig
from memdec_core.scoring.scoring_config import EvaluationConfig, PromotionConfig
from memdec_core.search.index_config import IndexConfig
from memdec_core.targets.targets_config import TargetsConfig
from memdec_core.text.text_config import CorpusConfig, TokensConfig, WatchConfig
from memdec_core.training.training_config import MemoryTrainingConfig
from memdec_core.windows.windows import WindowConfig


class MemoryConfig(BaseModel, frozen=True, extra="forbid"):
    """Where the memory's training starts."""

    init: BaseModelConfig | None = Field(
        None,
        description="The student's initial weights; the base model's own when unset. "
        "Its tokenizer must equal the base model's.",
    )
    from_memory: FromMemoryConfig | None = Field(
        None,
        description="Start from a trained memory of another tokenizer family in place of `init`: "
        "its body is kept, embeddings and head are made for the base model's tokenizer.",
    )

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.init is not None and self.from_memory is not None:
            raise ValueError(
                "give `init` (a model with the base model's tokenizer) or `from_memory` (a memory "
                "of another tokenizer family), not both; --set memory.init=null takes one away"
            )
        return self


class ScheduleConfig(BaseModel, frozen=True, extra="forbid"):
    """Schedules that `memdec deploy` gives a pipeline's deployments; they change no artifact."""

    watch: str | None = Field(
        "*/15 * * * *",
        description="When to look whether the documents have changed, which starts a build: a cron "
        "expression of minute, hour, day of month, month, day of week; null for never.",
    )
    build: str | None = Field(
        None,
        description="When to build what is not built yet, in addition to changes of the documents: "
        "a cron expression; null for never.",
    )
    compare: str | None = Field(
        None,
        description="When to compare the memory with the other systems: a cron expression; null "
        "for never.",
    )
    timezone: str = Field(
        "UTC", description="Time zone of these expressions, such as `Europe/Berlin`."
    )

    @field_validator("watch", "build", "compare")
    @classmethod
    def _cron_expression(cls, cron: str | None) -> str | None:
        if cron is not None and not _is_valid(cron=cron):
            raise ValueError(
                f"{cron!r} is no cron expression; give minute, hour, day of month, month and day "
                "of week, as in '30 2 * * *' for every day at 2:30, or null for never"
            )
        return cron

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, timezone: str) -> str:
        if not _is_valid(cron="0 0 * * *", timezone=timezone):
            raise ValueError(f"{timezone!r} is no time zone; give one as 'Europe/Berlin' or 'UTC'")
        return timezone


def _is_valid(**schedule: str) -> bool:
    """Whether Prefect accepts a schedule; it takes seconds to import, so only where one is set."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule.model_validate(schedule)
    except ValidationError:
        return False
    return True


class PipelineConfig(BaseModel, frozen=True, extra="forbid"):
    """One domain's memory, from documents to evaluation. Every value may change the result."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="Names the pipeline in the UI and its history in the store.",
    )
    corpus: CorpusConfig = Field(description="The domain's documents.")
    base_model: BaseModelConfig = Field(
        description="The frozen LM whose hidden states are the datastore's keys."
    )
    windows: WindowConfig = Field(
        default_factory=WindowConfig,
        description="How token streams are cut for the model, in embedding and in evaluation.",
    )
    tokens: TokensConfig = Field(default_factory=TokensConfig, description="Tokenisation.")
    embeddings: EmbeddingsConfig = Field(
        default_factory=EmbeddingsConfig, description="The datastore's keys."
    )
    index: IndexConfig = Field(default_factory=IndexConfig, description="The datastore's index.")
    targets: TargetsConfig = Field(
        default_factory=TargetsConfig, description="The kNN distributions to imitate."
    )
    memory: MemoryConfig = Field(default_factory=MemoryConfig, description="The student.")
    training: MemoryTrainingConfig = Field(
        default_factory=MemoryTrainingConfig, description="How the memory is trained."
    )
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="How base and base+memory are compared."
    )
    comparison: ComparisonConfig = Field(
        default_factory=ComparisonConfig,
        description="What `memdec compare` compares the memory with.",
    )
    promotion: PromotionConfig = Field(
        default_factory=PromotionConfig,
        description="What a finished build must show before it goes into production.",
    )
    schedule: ScheduleConfig = Field(
        default_factory=ScheduleConfig,
        description="When a deployed pipeline is watched, built and compared by itself.",
    )
    watch: WatchConfig = Field(
        default_factory=WatchConfig,
        description="How the corpus is watched for changes; no artifact depends on it.",
    )
