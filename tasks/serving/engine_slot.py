"""The engine in use, which can be replaced while requests run.

A request borrows the engine for its whole life. After a replacement new requests get the new one,
and the old one is closed when the last request that has it is through, so that none fails.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from memdec_core.serving.engine import Engine
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from tasks.serving.api_errors import ApiError
from tasks.serving.model_catalog import ModelCatalog


@dataclass(frozen=True)
class ServedSet:
    """Models and the names they are served under."""

    models: ServedModels
    catalog: ModelCatalog


@dataclass
class Serving:
    """A running engine with its catalog.

    Attributes:
        borrowers: Requests that use it now.
    """

    engine: Engine
    catalog: ModelCatalog
    borrowers: int = 0


class EngineSlot:
    """Holds the engine that new requests get; any thread may use it.

    Args:
        served: What to start with.
        limits: Of every engine that will be in the slot.
    """

    def __init__(self, served: ServedSet, limits: EngineLimits) -> None:
        self._limits = limits
        self._changed = threading.Condition()  # of a reentrant lock
        self._stopping = self._hurried = False
        self._leaving: list[Serving] = []
        self._current = self._start(served)

    def check(self) -> None:
        """Whether new requests will be answered.

        Raises:
            ApiError: 503 when they will not.
        """
        with self._changed:
            if self._stopping:
                raise ApiError(503, "the server is shutting down")
            if not self._current.engine.is_alive:
                raise ApiError(503, "the engine has ended; start the server again")

    @property
    def running(self) -> tuple[Serving, ...]:
        """The engine in use, then those that only finish what they have."""
        with self._changed:
            return (self._current, *self._leaving)

    @contextmanager
    def borrow(self) -> Iterator[Serving]:
        """The engine in use, which stays open inside the block.

        Raises:
            ApiError: 503 when there is none.
        """
        with self._changed:
            self.check()
            serving = self._current
            serving.borrowers += 1
        try:
            yield serving
        finally:
            self._give_back(serving)

    def replace(self, served: ServedSet) -> None:
        """Serves other models from now on; both sets are in memory until the old one is free."""
        new = self._start(served)
        with self._changed:
            old, self._current = self._current, new
            self._leaving.append(old)
        self._close_if_free(old)

    def stop(self, grace: float) -> None:
        """Takes no more requests, waits for those that run and closes the engine.

        Args:
            grace: Longest wait (seconds); requests that still run then are cut off.
        """
        with self._changed:
            self._stopping = True
            self._changed.wait_for(lambda: self._is_idle() or self._hurried, grace)
        for serving in self.running:
            serving.engine.close(drain=False)

    def hurry(self) -> None:
        """Ends the wait of `stop`."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def _start(self, served: ServedSet) -> Serving:
        engine = Engine(served.models, self._limits)
        engine.start()
        return Serving(engine, served.catalog)

    def _give_back(self, serving: Serving) -> None:
        with self._changed:
            serving.borrowers -= 1
            self._changed.notify_all()
        self._close_if_free(serving)

    def _close_if_free(self, serving: Serving) -> None:
        with self._changed:
            if serving not in self._leaving or serving.borrowers:
                return
            self._leaving.remove(serving)
        # what its last request has cancelled may still take a step, which no one has to wait for
        threading.Thread(target=serving.engine.close, kwargs={"drain": False}).start()

    def _is_idle(self) -> bool:
        return not any(serving.borrowers for serving in (self._current, *self._leaving))
