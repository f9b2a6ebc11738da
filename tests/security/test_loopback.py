"""Whatever listens, listens on this machine alone unless it is told otherwise."""

import re

import pytest
import yaml
from prefect.settings.models.server.api import ServerAPISettings

from flows.commands.serve_command import serve
from tasks.serving.server_settings import LOOPBACK, ServerSettings
from tests.services.command_line import ROOT

ANYWHERE = re.compile(r"0\.0\.0\.0|\[?::\]?:|host\s*=\s*[\"']{2}")
SOURCES = ("memdec_core", "storage", "tasks", "flows")


def test_the_inference_server_listens_on_loopback() -> None:
    assert ServerSettings().host in LOOPBACK
    defaults = dict(zip(reversed(serve.__code__.co_varnames[: serve.__code__.co_argcount]),
                        reversed(serve.__defaults__ or ()), strict=False))  # fmt: skip
    assert defaults["host"] in LOOPBACK


def test_prefects_server_listens_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_HOST", raising=False)
    assert ServerAPISettings().host in LOOPBACK
    for line in (ROOT / "Makefile").read_text().splitlines():
        if "server start" in line:
            assert "--host 127.0.0.1" in line


def test_no_source_names_all_interfaces() -> None:
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            assert not ANYWHERE.search(path.read_text(encoding="utf-8")), path


def test_containers_publish_their_ports_on_loopback() -> None:
    files = [*(ROOT / "deploy").rglob("compose*.y*ml"), *ROOT.glob("compose*.y*ml")]
    for path in files:
        for name, service in yaml.safe_load(path.read_text())["services"].items():
            for port in service.get("ports", []):
                assert re.match(r"(\$\{\w+:-)?127\.0\.0\.1", str(port)), (path, name, port)
