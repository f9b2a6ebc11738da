"""What a look at a corpus works on and what it measures, handed to and from a worker process."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from memdec_core.text.text_config import CorpusConfig
from storage.looks.corpus_looks import CorpusLook
from tasks.inputs.finished_run import BuiltCorpus
from tasks.watch.watched_listing import Listing

SAMPLE_TOKENS = 20_000
"""Of the new text, for the perplexity."""

SAMPLE_CHARACTERS = 8 * SAMPLE_TOKENS
"""Enough for the sample: in no tokenizer that we know is a token of prose this long on average."""


@dataclass(frozen=True)
class WatchJob:
    """One look.

    Attributes:
        pipeline: Name of the pipeline.
        corpus: Its corpus.
        listing: The sources, in the order in which they are read.
        last: The last look, if any.
        built: What the newest finished run was built from, if there is one.
        folder: A folder of this machine that lives as long as the look.
    """

    pipeline: str
    corpus: CorpusConfig
    listing: Listing
    last: CorpusLook | None
    built: BuiltCorpus | None
    folder: Path

    @property
    def documents(self) -> Path:
        """The table of all documents of the listing, once they were read."""
        return self.folder / "documents.parquet"

    def with_listing(self, listing: Listing) -> "WatchJob":
        """The same look at sources that were listed again."""
        return replace(self, listing=listing)


@dataclass(frozen=True)
class Drift:
    """What was measured of new text.

    Attributes:
        tokens: Its tokens, separators of documents included, as the tokens stage counts them.
        figures: By name; None where something could not be measured.
        picture: PNG of the tokens whose frequency changed the most.
    """

    tokens: int
    figures: dict[str, JsonValue]
    picture: bytes
