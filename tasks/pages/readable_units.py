"""Sizes and times as people read them, with a space that does not break."""


def size_of(count: int) -> str:
    """Bytes as people read them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f}\u00a0{unit}"
    return f"{count}\u00a0bytes"


def seconds_of(seconds: float) -> str:
    """A time as people read it."""
    if seconds >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes:,}\u00a0min\u00a0{rest:02d}\u00a0s"
    return f"{seconds:.1f}\u00a0s"
