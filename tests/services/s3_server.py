"""An S3 server for tests: one of moto's that they share, or a bucket that somebody else serves."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.services.command_line import ROOT
from tests.services.running_services import comes_true, free_ports
from tests.services.shared_services import shared_service


class Bucket(NamedTuple):
    """A bucket, and the environment in which it can be reached."""

    url: str
    environment: Mapping[str, str]


def shared_bucket() -> Bucket:
    """A bucket of moto's, which all tests of a run share.

    `MEMDEC_TEST_S3=s3://bucket` names another, for which the usual `AWS_…` variables are set.
    """
    if "MEMDEC_TEST_S3" in os.environ:
        return Bucket(os.environ["MEMDEC_TEST_S3"], {})
    return Bucket(
        "s3://tested",
        {
            "AWS_ENDPOINT_URL": shared_service("s3", _start),
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "of-moto",
            "AWS_SECRET_ACCESS_KEY": "of-moto",
        },
    )


def _start(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.services.atomic_moto", str(port)]
    log = folder / "log"
    with log.open("wb") as lines:
        server = subprocess.Popen(command, cwd=ROOT, stdout=lines, stderr=lines)
    if not comes_true(lambda: _makes_bucket(f"{endpoint}/tested"), 60):
        server.kill()
        pytest.fail(f"the S3 server did not start in a minute:\n{log.read_text()}")
    return endpoint, server


def _makes_bucket(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
