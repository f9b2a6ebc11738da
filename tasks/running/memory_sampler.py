"""How much memory a piece of work took."""

import threading
from pathlib import Path
from types import TracebackType

import psutil

_STATUS = Path("/proc/self/status")
_INTERVAL_SECONDS = 0.05


class MemorySampler:
    """Watches this process's own memory, 20 times a second, while used as a context manager.

    Pages of memory-mapped files are left out: the kernel takes them back whenever it wants them,
    so they are a cache, not a need.

    Attributes:
        peak_bytes: The largest amount seen (anonymous and shared memory), in bytes.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemorySampler":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.sample()

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self.sample()

    def sample(self) -> None:
        """Looks at the memory now."""
        self.peak_bytes = max(self.peak_bytes, own_bytes())


def own_bytes() -> int:
    """Anonymous and shared memory of this process in bytes; all resident memory off Linux."""
    if not _STATUS.exists():
        return int(psutil.Process().memory_info().rss)
    kilobytes = 0
    for line in _STATUS.read_text().splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            kilobytes += int(line.split()[1])
    return kilobytes * 1024
