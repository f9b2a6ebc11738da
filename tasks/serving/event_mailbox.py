"""Brings events from the engine's thread to a coroutine, as many at a time as there are.

The engine is quicker than an event loop with many clients. So a batch of events costs one wake-up,
and whoever takes batches lets other clients have their turn in between.
"""

import asyncio
import threading

from memdec_core.serving.request import Event

Batch = list[tuple[int, Event]]
"""Events with the numbers of their sequences, in order."""


class EventMailbox:
    """Belongs to the event loop in which it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._lock = threading.Lock()
        self._batch: Batch = []

    def put(self, sequence: int, event: Event) -> None:
        """Adds an event, from any thread.

        Raises:
            RuntimeError: The event loop is closed.
        """
        with self._lock:
            is_first = not self._batch
            self._batch.append((sequence, event))
        if is_first:
            self._loop.call_soon_threadsafe(self._filled.set)

    async def take(self, deadline: float) -> Batch:
        """All events since the last call, at least one.

        Args:
            deadline: On the loop's clock (seconds).

        Raises:
            TimeoutError: None came before the deadline.
        """
        await asyncio.sleep(0)
        batch: Batch = []
        async with asyncio.timeout_at(deadline):
            while not batch:  # a wake-up may come after its events were taken
                await self._filled.wait()
                with self._lock:
                    self._filled.clear()
                    batch, self._batch = self._batch, batch
        return batch
