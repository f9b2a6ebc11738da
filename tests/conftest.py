"""Fixtures that tests of every folder share."""

import gc
import os
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from prefect.context import refresh_global_settings_context
from xdist.remote import Producer

from flows.server.prefect_environment import RUN_ENVIRONMENT
from storage.store.artifact_store import Store
from tests.services.prefect_database import with_database
from tests.services.s3_server import Bucket, shared_bucket
from tests.services.secrets_in_environment import SECRETS
from tests.services.shared_services import end_shared_services
from tests.support.kinds_of_tests import ByNeed, is_quick, mark_by_kind, no_process
from tests.support.tiny_run import TinyRun, run_tiny_pipeline

# a busy machine is slow, which is no fault of the code under test; what must pass before a change
# lands tries the same examples every time, `make test-long` seven times as many, and
# `pytest --hypothesis-profile explore` others
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "same", settings.get_profile("explore"), derandomize=True, max_examples=30
)
settings.register_profile("long", settings.get_profile("same"), max_examples=200)
settings.load_profile("same")


def pytest_configure() -> None:
    """Tests ask a Prefect server as patiently as a run does: on a busy machine it is late."""
    name = "PREFECT_CLIENT_MAX_RETRIES"
    os.environ.setdefault(name, RUN_ENVIRONMENT[name])
    refresh_global_settings_context()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: quick ones then fill what parallel workers have left.

    Those that need the tiny run come later, when one worker has made it and no other waits for it.
    """
    for item in items:
        mark_by_kind(item)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    later = {item.path for item in items if "tiny_run" in cast(pytest.Function, item).fixturenames}
    items.sort(key=lambda item: (item.path not in slow, item.path in later))


def pytest_collection_finish() -> None:
    """What is imported stays: without it, collections of garbage have little to look through."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByNeed:
    """How tests are dealt out to parallel workers."""
    return ByNeed(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with no_process() if is_quick(item) else nullcontext():
        yield


def pytest_sessionfinish() -> None:
    end_shared_services()
    gc.freeze()  # the interpreter's end would look through it all


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store in a folder of its own."""
    return Store.open(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def bucket() -> Bucket:
    """An S3 bucket that all tests share."""
    return shared_bucket()


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A tiny pipeline that has run, for all who only read it; parallel workers share it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / "tiny-run", shared / "tiny-run.done"
    with FileLock(shared / "tiny-run.lock"):
        if not done.exists():
            home = {"PREFECT_HOME": str(with_database(shared / "prefect"))}
            run_tiny_pipeline(folder, os.environ | SECRETS | home)
            done.touch()
    return TinyRun.in_folder(folder)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Models this small are computed fastest, and bit-reproducibly anywhere, by one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB of its own; permissions do not stop root, a real one does."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: full and read-only stores, which need root and mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
