"""Commands forked from a process that has imported what they import: 4 to 10 seconds less of each.

A forked command is a process as any other: its environment, its working directory, its three
streams and its end are its own, and it becomes the command where it enters `main`. The process that
it is forked from imports, but never uses what it imported, since threads do not survive a fork. The
fork server of a command's stages is a fork, too, made before the command runs a line.

What libraries read when they are first imported is not the command's own. `can_fork` tells whether
an environment differs there; such a command has to be started anew.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn

from tests.services.shared_services import shared_service

_ROOT = Path(__file__).parents[2]
_READ_AT_START = (
    "CUDA_", "HF_", "KMP_", "LC_", "LD_", "MALLOC_", "MKL_", "NUMBA_", "OMP_",
    "OPENBLAS_", "POLARS_", "PREFECT_LOGGING_", "PREFECT_PROFILE", "PYTHON", "TRANSFORMERS_",
)  # fmt: skip
_IMPORTED = (
    "flows.build_memory", "flows.commands.command", "flows.compare_domains",
    "flows.compare_systems", "flows.watch_corpus",
)  # fmt: skip
_AT_START = dict(os.environ)
"""What tests run in this process add to it, as the code under test does, is not the forks' own."""
_REQUEST_BYTES = 1 << 17
_SECONDS = 600


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether everything that is read only once is as it was when the tests started."""
    return _read_once(environment) == _read_once(_AT_START)


def _read_once(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START) and name != "HF_TOKEN"  # which is read when it is used
    }


def run_fork(
    arguments: list[str], environment: Mapping[str, str], folder: Path, streams: tuple[int, int]
) -> int:
    """Runs `memdec` to its end in a process that is forked for it.

    Args:
        arguments: Of the command, without its name.
        environment: The whole of it.
        folder: Where the command runs.
        streams: Descriptors that become its standard output and its standard error.

    Returns:
        Its exit code; minus the signal that ended it.
    """
    request = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(shared_service("command-forks", _start))
        connection.settimeout(_SECONDS)
        socket.send_fds(connection, [json.dumps(request).encode()], list(streams))
        process = int(connection.recv(100))
        try:
            return int(connection.recv(100))
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise


def _start(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    address = folder / "socket"
    code = f"from tests.services.command_forks import serve; serve({str(address)!r})"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", code], cwd=_ROOT, env=_AT_START,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    while not address.exists():
        if server.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        time.sleep(0.02)
    return str(address), server


def serve(address: str) -> NoReturn:
    """Imports what commands import, and forks one for each connection."""
    _import_what_commands_import()
    gc.freeze()  # else each fork copies at its end what it collects
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{address}.new")
    listener.listen(64)
    Path(f"{address}.new").rename(address)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _await_command(connection)
        connection.close()
        with contextlib.suppress(ChildProcessError):  # there is no other
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _import_what_commands_import() -> None:
    from flows.server.prefect_environment import prepare_environment

    prepare_environment()
    for name in _IMPORTED:
        importlib.import_module(name)
    from tasks.running.supervised_process import IMPORTED_IN_WORKERS

    for name in IMPORTED_IN_WORKERS:
        importlib.import_module(name)
    # allocators and OpenBLAS start threads of their own, and again in a fork
    assert threading.active_count() == 1, threading.enumerate()


def _await_command(connection: socket.socket) -> None:
    """Forks the command; tells its process id, waits until it ends, and says how."""
    content, streams, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 2)
    command = os.fork()
    if command == 0:
        connection.close()
        _become_command(json.loads(content), streams)
    connection.send(str(command).encode())
    _, status = os.waitpid(command, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become_command(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Whatever is raised here, the exit of the command first of all, ends the process."""
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    _replace_environment(request["environment"])
    sys.argv = ["-c", *request["arguments"]]
    _fork_the_fork_server()

    from prefect.context import refresh_global_settings_context

    from flows.command_entry import main
    from flows.server.prefect_environment import prepare_environment

    prepare_environment()
    refresh_global_settings_context()
    main()
    sys.exit()


def _replace_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _fork_the_fork_server() -> None:
    """Has multiprocessing find its fork server in a process that waits for this from now on."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = os.fork()
    if server == 0:
        ours.close()
        _wait_to_be_the_fork_server(its)
    its.close()
    spawn = util.spawnv_passfds

    def spawn_or_wake(path: bytes, arguments: list[str], descriptors: list[int]) -> int:
        code = arguments[-1]
        if "multiprocessing.forkserver" not in code:
            return spawn(path, arguments, descriptors)
        request = {"code": code, "descriptors": descriptors, "environment": dict(os.environ)}
        socket.send_fds(ours, [json.dumps(request).encode()], descriptors)
        ours.close()
        util.spawnv_passfds = spawn  # type: ignore[assignment]
        return server

    util.spawnv_passfds = spawn_or_wake  # type: ignore[assignment]


def _wait_to_be_the_fork_server(connection: socket.socket) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    content, received, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 2)
    connection.close()
    if not content:
        os._exit(0)  # the command has ended without workers
    request = json.loads(content)
    _replace_environment(request["environment"])
    apart = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 200) for descriptor in received]
    for descriptor, number in zip(apart, request["descriptors"], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    exec(request["code"])
    sys.exit()
