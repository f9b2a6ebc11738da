"""Answers that end when their client is gone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tasks.serving.answer_formats import Json
from tasks.serving.api_errors import ApiError


class EventStream(StreamingResponse):
    """Server-sent events.

    Args:
        events: The lines to send.
        held: What is freed when the stream ends, in whatever way.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], held: ExitStack) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        with self._held:
            await super().__call__(scope, receive, send)


async def unless_disconnected(request: Request, work: Coroutine[None, None, Json]) -> Json:
    """The result of some work, which is given up when the client is.

    Raises:
        ApiError: 499, which nobody will read, when the client has gone.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnection(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ApiError(499, "the client closed its connection")
        return working.result()
    finally:
        working.cancel()
        gone.cancel()


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
