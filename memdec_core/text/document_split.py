"""The split of a document is a function of its name, so that a growing corpus moves none."""

import hashlib

SPLITS = ("train", "valid", "test")


def split_by_name(name: str, valid_fraction: float, test_fraction: float) -> str:
    """Names the split of a document.

    Names are spread evenly over [0, 1) by SHA-256; test takes the lowest share and valid the
    highest, so that changing one share never moves a document of the other.

    Args:
        name: What decides: a document's id, or the work's where pieces must stay together.
        valid_fraction: Share of valid, 0 to 1; 0 when it has files of its own.
        test_fraction: Share of test, likewise; the two sum to less than 1.

    Returns:
        `train`, `valid` or `test`.
    """
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    if place < test_fraction:
        return "test"
    return "valid" if place >= 1 - valid_fraction else "train"
