"""The serving engine: requests come from any thread and are decoded together in one of its own."""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import torch

from memdec_core.serving.cache_probe import check_cache
from memdec_core.serving.decoding import Decoding
from memdec_core.serving.decoding_row import DecodingRow, Tally
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from memdec_core.serving.request import DecodingRequest, Event, FinishReason
from memdec_core.serving.request_check import checked_weights


class QueueFullError(Exception):
    """As many requests wait as may; try again later."""


class EngineClosedError(Exception):
    """The engine takes no requests: it has not been started, or it is closed."""


class EngineStatistics(NamedTuple):
    """What an engine does now, and what it has done since it was made.

    Attributes:
        running: Requests that have a row.
        waiting: Requests that wait for one.
        cached_tokens: Tokens whose keys and values are kept, padding included.
        steps: Steps, each of which adds a token to every row.
        tokens_generated: Tokens told to requests.
        requests_finished: Requests that ended, by reason.
    """

    running: int
    waiting: int
    cached_tokens: int
    steps: int
    tokens_generated: int
    requests_finished: dict[FinishReason, int]


class Ticket:
    """A request that was accepted."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel

    def cancel(self) -> None:
        """Free the request's row before the next step; of no effect once it has ended."""
        self._cancel()


class Engine:
    """Continues many requests at a time with a base and its memories.

    Use it as a context manager, or call `start` and `close`.

    Args:
        models: The base and the memories.
        limits: How much to take on.

    Raises:
        UserError: The models cannot be mixed, or one of them cannot be served.
    """

    def __init__(self, models: ServedModels, limits: EngineLimits) -> None:
        models.check()
        for number, part in enumerate(models.parts):
            check_cache(part, f"memory {number - 1}" if number else "the base")
        self.context_length = models.context_length
        self.vocab_size = models.base.vocab_size
        self._models = models
        self._limits = limits
        self._decoding = Decoding(models, limits)
        self._tally = Tally()
        self._waiting: deque[DecodingRow] = deque()
        self._cancelled: list[DecodingRow] = []
        self._open = False
        self._cutting_short = False
        # guards the four above, and wakes the thread when one of them changes
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="memdec-engine", daemon=True)

    def start(self) -> None:
        """Begin to answer; once only."""
        self._open = True
        self._thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close(drain=False)

    @property
    def is_alive(self) -> bool:
        """Whether requests are taken and answered."""
        return self._open and self._thread.is_alive()

    def submit(self, request: DecodingRequest, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request.

        Args:
            request: What to continue, and how.
            on_event: Called in the engine's thread, in order; must be quick. The last event is
                always a `Finished`, unless `on_event` itself fails: the request ends then.

        Raises:
            UserError: The request cannot be answered by these models within these limits.
            QueueFullError: Too many requests wait.
            EngineClosedError: The engine is not started, or closed.
        """
        weights = checked_weights(request, self._models, self._limits)
        row = DecodingRow(request, weights, on_event, self._tally)
        with self._changed:
            if not self._open:
                raise EngineClosedError("the engine takes no requests")
            if len(self._waiting) >= self._limits.max_queue:
                raise QueueFullError(f"{len(self._waiting)} requests wait already")
            self._waiting.append(row)
            self._changed.notify()
        return Ticket(lambda: self._cancel(row))

    def close(self, *, drain: bool, timeout: float | None = None) -> None:
        """Take no more requests, end those there are, and stop the thread.

        Args:
            drain: Answer all that run or wait; otherwise they are cancelled.
            timeout: Seconds; what is not answered by then is cancelled. No limit if None.
        """
        with self._changed:
            self._open = False
            self._cutting_short = self._cutting_short or not drain
            self._changed.notify()
        if self._thread.ident is None:
            return
        self._thread.join(timeout)
        if self._thread.is_alive() and drain:
            self.close(drain=False)

    def statistics(self) -> EngineStatistics:
        """A look at the engine, from any thread."""
        with self._changed:
            waiting = len(self._waiting)
        return EngineStatistics(
            running=len({row for row in self._decoding.under_way if row.outcome is None}),
            waiting=waiting,
            cached_tokens=self._decoding.cached_tokens,
            steps=self._decoding.steps,
            tokens_generated=self._tally.tokens,
            requests_finished=dict(self._tally.outcomes),
        )

    def _cancel(self, row: DecodingRow) -> None:
        with self._changed:
            if row.outcome is None:
                self._cancelled.append(row)
                self._changed.notify()

    @torch.inference_mode()
    def _run(self) -> None:
        while self._wait():
            try:
                for row in self._take_cancelled():
                    row.finish("cancelled")
                self._decoding.drop_finished()
                self._admit()
                self._decoding.advance()
            except Exception as error:
                self._decoding.fail(error)

    def _wait(self) -> bool:
        """Sleep until there is work; False once the engine is closed and all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_work() or not self._open)
            return self._has_work()

    def _has_work(self) -> bool:
        return bool(self._waiting or self._cancelled or self._decoding.under_way)

    def _take_cancelled(self) -> list[DecodingRow]:
        """Rows to end, waiting ones among them, which leave the queue."""
        with self._changed:
            taken, self._cancelled = self._cancelled, []
            if self._cutting_short:
                taken = [*self._decoding.under_way, *self._waiting]
            if taken:
                gone = set(taken)
                self._waiting = deque(row for row in self._waiting if row not in gone)
            return taken

    def _admit(self) -> None:
        """Move what fits from the head of the queue; a look from outside misses none of it."""
        with self._changed:
            fitting = self._decoding.fitting(self._waiting)
            self._decoding.admit([self._waiting.popleft() for _ in range(fitting)])
