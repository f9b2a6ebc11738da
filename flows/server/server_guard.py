"""Ends a process once the one that started this guard is gone, however that ended.

A command that is killed cannot end its temporary Prefect server, which would serve nobody for ever.
"""

import os
import sys
from contextlib import suppress

import psutil

_PATIENCE_SECONDS = 10.0


def end_with_us(process_id: int) -> None:
    """Has another process end with this one; it costs a small process that watches.

    Args:
        process_id: Of the other process.
    """
    reads, _stays_open = os.pipe()  # nothing is written; the operating system closes our end
    command = [sys.executable, __file__, str(process_id)]
    as_input = [(os.POSIX_SPAWN_DUP2, reads, 0)]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=as_input, setsid=True)
    os.close(reads)


def _end_with_pipe(process: psutil.Process) -> None:
    sys.stdin.buffer.read()
    process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    with suppress(psutil.NoSuchProcess):
        _end_with_pipe(psutil.Process(int(sys.argv[1])))
