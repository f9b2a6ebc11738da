"""Which downstream data sets are classified, and from which files."""

from typing import Literal

from pydantic import Field

from memdec_core.scoring.scoring_config import ScoringConfig

DatasetName = Literal["sst2", "mr", "cr", "rt", "hyp", "cb", "rte", "agn", "yahoo"]


class DownstreamConfig(ScoringConfig):
    """Zero-shot classification with every system; what is hashed of it are the files' contents."""

    tasks: dict[DatasetName, str] = Field(
        min_length=1,
        description="A file of labelled records for each task: JSON lines or CSV (both may be .gz "
        "or .zst) or Parquet, with the columns of the data set as published on the hub. sst2, mr, "
        "cr and rt are sentiment, hyp hyperpartisan news, cb and rte entailment, agn and yahoo "
        "topics. Relative paths start at the current directory.",
    )
    verbalizers: str | None = Field(
        None,
        description="A JSON file of word lists by task, for fuzzy verbalizers: a label's score is "
        "the mean over those of its words that are one token. Without it, and for tasks it does "
        "not name: one word per label, and a few for cb, rte and hyp.",
    )
    max_records: int | None = Field(
        None, ge=4, description="Most records of a task, drawn by `seed`; all of them when empty."
    )
    context_tokens: int = Field(
        1024,
        ge=16,
        description="Most tokens of prompt and choice together, or fewer where a model reads "
        "fewer; longer prompts lose their beginning.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the sample.")
