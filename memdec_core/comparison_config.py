"""What a memory is compared with, beside its base models."""

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, Field, model_validator

from memdec_core.decoding.decoding_config import AuditConfig, LatencyConfig
from memdec_core.downstream.downstream_config import DatasetName, DownstreamConfig
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.router.alpha_router_config import AlphaRouterConfig
from memdec_core.scoring.scoring_config import Weight
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.text.text_config import CorpusConfig
from memdec_core.training.training_config import DaptConfig, LoraConfig

Baseline = Literal["knn_lm", "rag", "dapt", "lora", "dapt_small"]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class ComparisonConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of `memdec compare`; what is tuned is tuned on the validation split alone."""

    baselines: tuple[Baseline, ...] = Field(
        ("knn_lm", "rag", "dapt", "lora", "dapt_small"),
        description="Systems to compare with. `dapt_small` is the paper's control: the student, "
        "trained with cross-entropy on the domain, mixed with the base as a memory is.",
    )
    betas: tuple[Weight, ...] = Field(
        (0.0, 1.0),
        description="Further values of β to train a memory with: 0 is cross-entropy only, 1 is KL "
        "only.",
    )
    students: dict[Name, BaseModelConfig] = Field(
        {},
        description="Further memories, by name, that start from other students: what the memory's "
        "size is worth. Their tokenizer must equal the base model's.",
    )
    datastores: dict[Name, BaseModelConfig] = Field(
        {},
        description="Further memories, by name, whose targets come from another model's datastore. "
        "Its tokenizer must equal the base model's.",
    )
    taus: tuple[Positive, ...] = Field(
        (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        min_length=1,
        description="kNN-LM's temperatures τ to try. It has as many neighbours as the targets, and "
        "its λ is tried at the weights of `evaluation.alphas`.",
    )
    retrieval: RetrievalConfig = Field(
        default_factory=RetrievalConfig, description="In-context retrieval (`rag`)."
    )
    dapt: DaptConfig = Field(
        default_factory=DaptConfig,
        description="Continued pre-training of the base models, and of `dapt_small`.",
    )
    lora: LoraConfig = Field(default_factory=LoraConfig, description="LoRA on the base models.")
    elsewhere: dict[Name, CorpusConfig] = Field(
        {},
        description="Further corpora, by name, on whose test split every system is measured as it "
        "was tuned on the domain: what did it lose there? In-context retrieval is left out.",
    )

    router: AlphaRouterConfig | None = Field(
        None,
        description="Base and memory also with an α that adapts to every token, set by a router "
        "that is fitted on the validation split; null leaves it out.",
    )
    downstream: DownstreamConfig | None = Field(
        None,
        description="Labelled data sets to classify zero-shot with every system but retrieval.",
    )
    latency: LatencyConfig | None = Field(
        default_factory=LatencyConfig,
        description="How the time of a generated token is measured; null leaves it out.",
    )
    audit: AuditConfig | None = Field(
        default_factory=AuditConfig,
        description="How text that was learnt by heart is looked for; null leaves it out.",
    )

    @model_validator(mode="after")
    def _other_names_than_splits(self) -> Self:
        for name in ("train", "valid", "test", "average", *get_args(DatasetName)):
            if name in self.elsewhere:
                raise ValueError(
                    f"`elsewhere` calls a corpus `{name}`, which is a split's or a task's name; "
                    "choose another"
                )
        return self
