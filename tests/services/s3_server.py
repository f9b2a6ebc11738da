"""An S3 server for tests: that of the package moto, or a bucket that somebody else serves."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.services.running_services import comes_true, free_ports


class Bucket(NamedTuple):
    """A bucket, and the environment in which it can be reached."""

    url: str
    environment: Mapping[str, str]


@contextmanager
def served_bucket(folder: Path) -> Iterator[Bucket]:
    """A bucket of moto's, whose server writes its log into the folder.

    `MEMDEC_TEST_S3=s3://bucket` names another, for which the usual `AWS_…` variables are set.
    """
    if "MEMDEC_TEST_S3" in os.environ:
        yield Bucket(os.environ["MEMDEC_TEST_S3"], {})
        return
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "log"
    with log.open("wb") as lines, subprocess.Popen(command, stdout=lines, stderr=lines) as server:
        try:
            if not comes_true(lambda: _makes_bucket(f"{endpoint}/tested"), 60):
                pytest.fail(f"the S3 server did not start in a minute:\n{log.read_text()}")
            yield Bucket(
                "s3://tested",
                {
                    "AWS_ENDPOINT_URL": endpoint,
                    "AWS_ALLOW_HTTP": "true",
                    "AWS_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "of-moto",
                    "AWS_SECRET_ACCESS_KEY": "of-moto",
                },
            )
        finally:
            server.terminate()


def _makes_bucket(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
