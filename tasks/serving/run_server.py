"""Runs the HTTP server until it is told to stop, and lets running requests finish then."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from memdec_core.errors import UserError
from tasks.serving.engine_slot import EngineSlot
from tasks.serving.http_app import make_app
from tasks.serving.server_settings import ServerSettings

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAST_WORDS = 5
"""Time for connections to send what they still have (seconds)."""


def run_server(slot: EngineSlot, settings: ServerSettings, on_ready: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT; then new requests get 503 and running ones some time.

    Args:
        slot: A running engine; closed at the end.
        settings: Address, limits and the time for running requests.
        on_ready: Called with the server's URL once it answers.

    Raises:
        UserError: The address is not there to listen on.
    """
    with listening_socket(settings) as listener:
        asyncio.run(_until_signal(slot, settings, listener, on_ready))


async def _until_signal(
    slot: EngineSlot,
    settings: ServerSettings,
    listener: socket.socket,
    on_ready: Callable[[str], None],
) -> None:
    stopping = asyncio.Event()

    def on_signal() -> None:
        if stopping.is_set():  # the second time someone does not want to wait
            slot.hurry()
        stopping.set()

    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    await serve(slot, settings, listener, on_ready, stopping)


async def serve(
    slot: EngineSlot,
    settings: ServerSettings,
    listener: socket.socket,
    on_ready: Callable[[str], None],
    stopping: asyncio.Event,
) -> None:
    """Serves on a bound socket until an event is set; arguments as those of `run_server`."""
    server = _Server(_configuration(make_app(slot, settings)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.01)
    on_ready(_url(settings.host, listener))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(slot.stop, settings.grace)
    server.should_exit = True
    stopped.cancel()
    await serving


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller, which goes on answering for a while."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configuration(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=LAST_WORDS,
    )


def listening_socket(settings: ServerSettings) -> socket.socket:
    """A socket bound to the address of the settings.

    Raises:
        UserError: There is no such address, or its port is taken.
    """
    host, port = settings.host, settings.port
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise UserError(
            f"{host}:{port}: cannot be listened on: {error.strerror or error}; "
            "give another --port or --host"
        ) from error


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
