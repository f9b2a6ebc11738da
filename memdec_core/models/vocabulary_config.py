"""Over how many ids the models of a run are compared, where their tokenizers differ in length."""

from pydantic import BaseModel, ConfigDict, Field


class VocabularyConfig(BaseModel):
    """The ids that all models of a run share; never set by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=1, description="Every id below it means the same to all models.")
