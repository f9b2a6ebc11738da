"""The server's HTTP interface, around an engine that is already running."""

from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from importlib.resources import files
from typing import TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from tasks.serving.answer_formats import AnswerFormat, ChatFormat, CompletionFormat
from tasks.serving.answers import Answer, EventStream, unless_disconnected
from tasks.serving.api_errors import add_error_handlers
from tasks.serving.engine_slot import EngineSlot
from tasks.serving.generation_plan import GenerationPlan, PlanLimits, plan_chat, plan_completion
from tasks.serving.generation_stream import Generation
from tasks.serving.model_catalog import ModelCatalog
from tasks.serving.request_bodies import ChatRequest, CompletionRequest, RequestFields
from tasks.serving.request_guard import RequestGuard
from tasks.serving.server_metrics import MeasuredRequests, RequestClock, ServerMetrics
from tasks.serving.server_settings import ServerSettings

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
}

Body = TypeVar("Body", bound=RequestFields)
Planner = Callable[[Body, ModelCatalog, PlanLimits], Coroutine[None, None, GenerationPlan]]
Shape = Callable[[ModelCatalog, Body], AnswerFormat]


def make_app(slot: EngineSlot, settings: ServerSettings) -> FastAPI:
    """The ASGI application.

    Args:
        slot: Holds the engine; closing it is the caller's.
        settings: Of these, the address is not looked at.
    """
    app = FastAPI(title="memdec", docs_url=None, redoc_url=None)
    metrics = ServerMetrics(
        lambda: sum(serving.engine.statistics().running for serving in slot.running),
        lambda: sum(serving.engine.statistics().waiting for serving in slot.running),
    )
    app.add_middleware(
        RequestGuard, api_key=settings.api_key, max_body_bytes=settings.max_body_bytes
    )
    app.add_middleware(MeasuredRequests, metrics=metrics)
    add_error_handlers(app)
    _add_models(app, slot)
    _add_service(app, slot, metrics)
    _add_completions(app, _Answerer(slot, settings, metrics))
    return app


class _Answerer:
    """Answers both kinds of completion requests in the same way."""

    def __init__(self, slot: EngineSlot, settings: ServerSettings, metrics: ServerMetrics) -> None:
        self._slot = slot
        self._settings = settings
        self._metrics = metrics

    async def answer(
        self, request: Request, body: Body, plan_for: Planner[Body], shape_for: Shape[Body]
    ) -> Response:
        clock = RequestClock(self._metrics, self._settings.request_timeout)
        with ExitStack() as held:
            serving = held.enter_context(self._slot.borrow())
            catalog = serving.catalog
            catalog.require(body.model)
            limits = PlanLimits(self._settings, serving.engine.context_length)
            plan = await plan_for(body, catalog, limits)
            generation = Generation(plan, catalog.token_bytes, clock)
            held.callback(generation.cancel)
            generation.submit(serving.engine)
            answer = Answer(plan, generation, shape_for(catalog, body), catalog.fingerprint)
            if body.stream:
                events = answer.events(include_usage=body.stream_options.include_usage)
                return EventStream(events, held.pop_all())
            return JSONResponse(await unless_disconnected(request, answer.whole()))
        raise AssertionError("no context that is held here swallows an exception")


def _add_completions(app: FastAPI, answerer: _Answerer) -> None:
    @app.post("/v1/completions", response_model=None)
    async def completions(request: Request, body: CompletionRequest) -> Response:
        return await answerer.answer(request, body, plan_completion, CompletionFormat)

    @app.post("/v1/chat/completions", response_model=None)
    async def chat_completions(request: Request, body: ChatRequest) -> Response:
        return await answerer.answer(request, body, plan_chat, ChatFormat)


def _add_models(app: FastAPI, slot: EngineSlot) -> None:
    @app.get("/v1/models", response_model=None)
    async def models() -> dict[str, object]:
        catalog = slot.running[0].catalog
        return {"object": "list", "data": [catalog.card(name) for name in catalog.names]}

    @app.get("/v1/models/{model}", response_model=None)
    async def model_card(model: str) -> dict[str, object]:
        return slot.running[0].catalog.card(model)


def _add_service(app: FastAPI, slot: EngineSlot, metrics: ServerMetrics) -> None:
    page = files("tasks.serving").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", response_model=None)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    @app.get("/health", response_model=None)
    async def health() -> dict[str, object]:
        slot.check()
        return {"status": "ok", **slot.running[0].catalog.state()}

    @app.get("/metrics", response_model=None)
    async def prometheus() -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE_LATEST)
