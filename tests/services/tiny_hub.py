"""A hub on this machine that speaks as much of the Hugging Face hub's protocol as a download needs.

Serves folders as models, each with one commit and the branch `main`.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit


def commit_of(name: str) -> str:
    """The commit of a served model."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


class _Hub(BaseHTTPRequestHandler):
    def __init__(self, models: dict[str, Path], *args: object) -> None:
        self.models = models
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        kind, rest = (parts[0], parts[2:]) if parts[0] == "api" else ("files", parts)
        name = "/".join(rest[:2])
        if name not in self.models:
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        what, revision = ([*rest[2:4], "info", "main"])[:2] if len(rest) > 2 else ("info", "main")
        if revision not in ("main", commit_of(name)):
            return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        if kind == "files":
            return self.file(name, "/".join(rest[4:]))
        return self.answer(200, json.dumps(self.listing(name, what)).encode())

    do_HEAD = do_GET

    def listing(self, name: str, what: str) -> object:
        folder = self.models[name]
        files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        paths = [(p.relative_to(folder).as_posix(), p.stat().st_size) for p in files]
        if what == "tree":
            return [
                {"type": "file", "oid": commit_of(path), "size": size, "path": path}
                for path, size in paths
            ]
        siblings = [{"rfilename": path} for path, _ in paths]
        return {"id": name, "sha": commit_of(name), "siblings": siblings}

    def file(self, name: str, path: str) -> None:
        file = self.models[name] / path
        if not file.is_file():
            return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        data = file.read_bytes()
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        return self.answer(200, data, {"ETag": etag, "X-Repo-Commit": commit_of(name)})

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serve_models(models: dict[str, Path]) -> Iterator[str]:
    """Serves folders under `owner/name` ids; yields the hub's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, models))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
