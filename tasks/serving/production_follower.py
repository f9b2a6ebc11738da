"""Keeps a server at what is in production, without a restart and without failing a request."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from memdec_core.errors import UserError
from storage.objects.store_errors import StorageError
from storage.store.artifact_store import Store
from storage.store.production import count_decisions
from tasks.serving.engine_slot import EngineSlot, ServedSet
from tasks.serving.open_models import ServedPipeline

POLL_SECONDS = 5.0

Served = Sequence[ServedPipeline]

_logger = logging.getLogger(__name__)


class ProductionFollower:
    """Looks for new decisions on pipelines and puts what they name into a server's slot.

    A look lists one folder of the store per pipeline. What cannot be opened is reported, and what
    is served stays until the next decision.

    Args:
        slot: The server's; what it holds when the block begins is up to date.
        store: Where decisions are.
        served: What the slot holds.
        current: Reads what is in production now.
        opened: Opens it.
        on_change: Told when other models are served, in words.
    """

    def __init__(
        self,
        slot: EngineSlot,
        store: Store,
        served: Served,
        current: Callable[[], Served],
        opened: Callable[[Served], ServedSet],
        on_change: Callable[[str], None],
    ) -> None:
        self._slot = slot
        self._store = store
        self._served = served
        self._current = current
        self._opened = opened
        self._on_change = on_change
        self._seen: Mapping[str, int] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        """Begins to follow, in a thread of its own."""
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends; models that are being opened are not waited for."""
        self._ending.set()

    def _follow(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            try:
                self.look()
            except (UserError, StorageError) as error:
                _logger.warning("what is in production now cannot be served: %s", error)
            except Exception:  # such as too little memory; what is served goes on being served
                _logger.exception("what is in production now cannot be served")

    def look(self) -> None:
        """Serves what is in production if a decision was made since the last look.

        Raises:
            UserError: It cannot be served, its tokenizer for example is another; see `open_models`.
            StorageError: The store could not be read.
        """
        found = self._decisions()
        if found == self._seen:
            return
        current = self._current()
        try:
            if current != self._served:
                self._slot.replace(self._opened(current))
                self._on_change(
                    f"now serving {', '.join(str(each.release.memory) for each in current)}"
                )
        except StorageError:
            raise  # the next look tries again
        except Exception:
            self._seen = found  # it will be no better before somebody decides again
            raise
        self._seen, self._served = found, current

    def _decisions(self) -> Mapping[str, int]:
        return {each.name: count_decisions(self._store, each.name) for each in self._served}
