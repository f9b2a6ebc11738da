"""A generation as the body of an HTTP response, in one piece or as server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack
from uuid import uuid4

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tasks.serving.answer_formats import AnswerFormat, Json
from tasks.serving.api_errors import ApiError, error_body
from tasks.serving.generation_plan import GenerationPlan
from tasks.serving.generation_stream import Delta, Generation, join_deltas

DONE = "data: [DONE]\n\n"


class Answer:
    """Everything about one answer but how it is sent.

    Args:
        plan: What was asked for.
        generation: What is being generated for it.
        shape: How choices are shown.
        fingerprint: Of the models that answer.
    """

    def __init__(
        self, plan: GenerationPlan, generation: Generation, shape: AnswerFormat, fingerprint: str
    ) -> None:
        self._plan = plan
        self._generation = generation
        self._shape = shape
        self._head: Json = {
            "id": shape.id_prefix + uuid4().hex,
            "created": int(time.time()),
            "model": plan.model,
            "system_fingerprint": fingerprint,
        }

    async def whole(self) -> Json:
        """The finished answer.

        Raises:
            ApiError: The generation failed or took too long.
        """
        choices: dict[int, list[Delta]] = {}
        async for delta in self._generation.deltas():
            choices.setdefault(delta.choice, []).append(delta)
        return {
            **self._head,
            "object": self._shape.kind,
            "choices": [
                self._shape.whole(join_deltas(choices[number])) for number in sorted(choices)
            ],
            "usage": self._usage(),
        }

    async def events(self, *, include_usage: bool) -> AsyncIterator[str]:
        """The answer as server-sent events; an error after the start is an event, too."""
        try:
            for choice in range(len(self._plan.sequences)):
                opening = self._shape.opening(choice)
                if opening is not None:
                    yield self._event([opening], include_usage=include_usage)
            async for delta in self._generation.deltas():
                yield self._event([self._shape.part(delta)], include_usage=include_usage)
        except ApiError as error:
            yield _event(error_body(error))
            return
        if include_usage:
            yield self._event([], include_usage=True, usage=self._usage())
        yield DONE

    def _event(
        self, choices: list[Json], *, include_usage: bool, usage: dict[str, int] | None = None
    ) -> str:
        chunk = {**self._head, "object": self._shape.part_kind, "choices": choices}
        return _event({**chunk, "usage": usage} if include_usage else chunk)

    def _usage(self) -> dict[str, int]:
        prompt, new = self._plan.prompt_tokens, self._generation.completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}


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


def _event(data: object) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, allow_nan=False)}\n\n"
