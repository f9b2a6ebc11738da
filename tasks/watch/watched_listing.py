"""A cheap look at the sources of a corpus, and the wait until nothing writes to them any more."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_sources import Source
from storage.documents.source_digests import source_stamp
from tasks.identity.corpus_identity import READING_ORDER, corpus_sources, source_errors

_PATIENCE = 10
"""Times `quiet_seconds` that a look waits for quiet."""

_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class ListedSource:
    """One source of a corpus; `stamp` stays the same as long as its content does."""

    role: str
    source: Source
    stamp: str


Listing = tuple[ListedSource, ...]


def list_corpus(config: CorpusConfig) -> Listing:
    """Lists all sources in the order in which the corpus stage reads them; reads none.

    Raises:
        UserError: An entry names nothing, or cannot be listed.
    """
    with source_errors():
        sources = corpus_sources(config)
        return tuple(
            ListedSource(role, source, source_stamp(source))
            for role in READING_ORDER
            for source in sources[role]
        )


class QuietWait:
    """Waits until a listing has stayed the same for some seconds, for a limited time in all."""

    def __init__(self, look: Callable[[], Listing], quiet_seconds: float) -> None:
        """Starts the clock.

        Args:
            look: Makes a listing.
            quiet_seconds: For how long it has to stay the same.
        """
        self.look = look
        self._quiet = quiet_seconds
        self._deadline = time.monotonic() + _PATIENCE * quiet_seconds

    def settled(self) -> Listing | None:
        """The listing that stayed the same; None once the time is up."""
        listing, since = self.look(), time.monotonic()
        while (left := since + self._quiet - time.monotonic()) > 0:
            if self.is_over():
                return None
            time.sleep(min(left, self._quiet / 6, _LONGEST_PAUSE_SECONDS))
            again = self.look()
            if again != listing:
                listing, since = again, time.monotonic()
        return listing

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._deadline
