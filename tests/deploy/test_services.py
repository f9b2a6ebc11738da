"""The script that starts the services of compose.yaml on this machine."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.services.command_line import ROOT
from tests.services.running_services import (
    Database,
    free_ports,
    has_postgresql,
    running_services,
)
from tests.support.tiny_run import TinyRun

SCRIPT = ROOT / "deploy" / "services.py"


@pytest.mark.slow
def test_a_finished_pipeline_is_served_beside_server_and_worker_until_sigterm(
    tiny_run: TinyRun,
) -> None:
    (port,) = free_ports(1)
    serving = ("--serve", tiny_run.pipeline, "--store", tiny_run.store, "--serve-port", str(port))
    database: Database = "postgresql" if has_postgresql() else "sqlite"
    with running_services(database, *serving) as services:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == ["base", "tiny"]
        processes = psutil.Process(services.script.pid).children(recursive=True)
        listening = {
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        services.script.send_signal(signal.SIGTERM)
        assert services.script.wait(100) == 0
        _, left = psutil.wait_procs(processes, timeout=5)
        assert left == []
        ended = re.findall(r"(\w+) has ended", services.log("services"))
        assert ended[:3] == ["inference", "worker", "server"]
        assert ended[3:] == ["postgresql"] * has_postgresql()


def test_a_service_that_does_not_start_is_named_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "prefect").write_text("a file where Prefect wants a folder")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--state", tmp_path, "--database", "sqlite"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"error server does not start; the end of {tmp_path / 'server.log'}" in done.stderr
    assert "server has ended" in done.stdout
