"""moto's S3 server, one request at a time: `python -m tests.services.atomic_moto PORT`.

By itself it looks whether an object exists and puts it a moment later, so that of two creations at
the same time both succeed. S3 promises that one does.
"""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


class OneAtATime:
    """A WSGI application that answers a request before it takes the next."""

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._turn = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with self._turn:
            return list(self._application(environ, start_response))


if __name__ == "__main__":
    run_simple(
        "127.0.0.1", int(sys.argv[1]), OneAtATime(), threaded=True,
        request_handler=MotoRequestHandler,
    )  # fmt: skip
