"""What a look at a corpus works on, small enough to be handed to a worker process."""

from dataclasses import dataclass, replace
from pathlib import Path

from memdec_core.text.text_config import CorpusConfig
from storage.looks.corpus_looks import CorpusLook
from tasks.inputs.finished_run import BuiltCorpus
from tasks.watch.watched_listing import Listing


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
