"""A proxy before an S3 server that answers chosen requests as a bad day would."""

import http.client
import random
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Literal, get_args
from urllib.parse import urlsplit

Fault = Literal[
    "400", "409", "500", "501", "503", "reset", "half a body", "lost answer", "applied, then 500",
    "no answer",
]  # fmt: skip
FAULTS: tuple[Fault, ...] = get_args(Fault)[1:]
"""Those that pass; 400 is the answer to what a server does not know."""
APPLIED = {"half a body", "lost answer", "applied, then 500"}


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on, all but the one that is armed.

    Attributes:
        requests: How many came since it was armed.
        failed: To how many of these something was done.
    """

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(endpoint).netloc
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._at, self._times = 0, 1
        self._share, self._random = 0.0, random.Random()
        self._seen: set[tuple[str, str]] | None = None
        self.requests = self.failed = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def arm(self, fault: Fault | None, at: int = 0, times: int = 1) -> None:
        """Has request number `at` from now on, 0 is the next, fail this way, and others after."""
        with self._lock:
            self._fault, self._at, self._times, self._share = fault, at, times, 0.0
            self._seen = None
            self.requests = self.failed = 0

    def arm_at_random(self, share: float, seed: int) -> None:
        """Has a share of all requests fail from now on, in any way that does not take long."""
        self.arm(None)
        with self._lock:
            self._share, self._random = share, random.Random(seed)

    def arm_everywhere(self, fault: Fault) -> None:
        """Has every request fail this way from now on that was not made before."""
        self.arm(fault)
        with self._lock:
            self._seen = set()

    def next_fault(self, command: str, path: str) -> Fault | None:
        """What is to happen to a request that has just come."""
        with self._lock:
            self.requests += 1
            fault = self._fault if self._is_chosen(command, path) else None
            if self._random.random() < self._share:
                fault = self._random.choice([each for each in FAULTS if each != "no answer"])
            self.failed += fault is not None
            return fault

    def _is_chosen(self, command: str, path: str) -> bool:
        if self._seen is None:
            return self._at < self.requests <= self._at + self._times
        request = command, re.sub(r"/clock/\w+", "/clock", path)  # a new key whenever one is asked
        is_new = request not in self._seen
        self._seen.add(request)
        return is_new

    def handle_error(self, *_arguments: object) -> None:
        """Clients that went away are what this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy
    _UNTOUCHED: ClassVar = {"connection", "transfer-encoding", "content-length", "date", "server"}

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.next_fault(self.command, self.path)
        answer = None
        if fault is None or fault in APPLIED:
            answer = self._upstream(body)
        if fault is None:
            assert answer is not None
            self._answer(*answer)
        elif fault == "half a body":
            assert answer is not None
            self._answer(*answer, cut=True)
        elif fault in {"reset", "lost answer"}:
            self._reset()
        elif fault == "no answer":
            self.connection.recv(1)  # until the client has given up
            self._reset()
        else:
            status = int(fault.removeprefix("applied, then "))
            self._answer(status, [("Content-Type", "application/xml")], _error(status))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def _upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, dict(self.headers))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        length = len(body)
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = int(value)  # of what GET would send
            elif name.lower() not in self._UNTOUCHED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._reset()

    def _reset(self) -> None:
        """Ends the connection at once, as a server does that dies."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *arguments: object) -> None: ...


def _error(status: int) -> bytes:
    code = {409: "ConditionalRequestConflict", 501: "NotImplemented", 503: "SlowDown"}
    said = code.get(status, "InternalError")
    return f"<Error><Code>{said}</Code><Message>as asked</Message></Error>".encode()


@contextmanager
def faulty_proxy(endpoint: str) -> Iterator[FaultyProxy]:
    """A proxy that runs while the block does."""
    with FaultyProxy(endpoint) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
