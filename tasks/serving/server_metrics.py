"""What the server counts, in Prometheus' format."""

import asyncio
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CLIENT_GONE = 499


class ServerMetrics:
    """The counters of one server, in a registry of their own.

    Args:
        running: How many sequences are decoded now.
        waiting: How many wait for it.
    """

    def __init__(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "memdec_requests",
            "HTTP requests answered.",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "memdec_request_seconds",
            "Time from a request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.first_token = Histogram(
            "memdec_time_to_first_token_seconds",
            "Time from a request to its first generated token.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "memdec_generated_tokens", "Tokens generated.", ["model"], registry=self.registry
        )
        for name, text, value in (
            ("memdec_running_sequences", "Sequences that are decoded now.", running),
            ("memdec_waiting_sequences", "Sequences in the queue.", waiting),
        ):
            Gauge(name, text, registry=self.registry).set_function(value)

    def page(self) -> bytes:
        """What /metrics answers."""
        return generate_latest(self.registry)


class RequestClock:
    """One request's time, which its generated tokens are reported to.

    Attributes:
        deadline: When the request has taken too long, on the event loop's clock (seconds).
    """

    def __init__(self, metrics: ServerMetrics, timeout: float) -> None:
        self._metrics = metrics
        self._started = asyncio.get_running_loop().time()
        self._waits_for_first = True
        self.deadline = self._started + timeout

    def token(self, model: str) -> None:
        """Counts a token of a model."""
        self._metrics.tokens.labels(model).inc()
        if self._waits_for_first:
            self._waits_for_first = False
            self._metrics.first_token.observe(asyncio.get_running_loop().time() - self._started)


class MeasuredRequests:
    """ASGI middleware that counts and times every request, by route.

    An answer that the client did not wait for counts as 499.
    """

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, whole = CLIENT_GONE, False
        started = time.perf_counter()

        async def watched_send(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, watched_send)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(route, status if whole else CLIENT_GONE).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
