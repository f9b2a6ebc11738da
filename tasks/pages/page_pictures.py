"""Plots in a page of the UI: inline, and small, since every list of artifacts returns them all."""

import base64
import re
from collections.abc import Iterable
from io import BytesIO

from PIL import Image

from storage.store.shard_files import ShardReader

MOST_PAGE_CHARACTERS = 190_000
"""The UI loads every artifact of a list in full, so each stays small."""

_COLOURS = 64
_TITLES = {
    "curves.png": "Loss by step",
    "loss_curves.png": "Loss by step",
    "alpha_curve.png": "Validation perplexity by α, the memory's weight",
    "recall.png": "Recall by lists probed",
    "latency.png": "Time per token",
}


def picture_names(reader: ShardReader) -> list[str]:
    """Names of a shard's plots."""
    return [name for name in reader.names() if name.endswith(".png")]


def with_pictures(page: str, readers: Iterable[ShardReader]) -> str:
    """Puts plots in the place of their file names, as data, while the page stays small.

    A plot that does not fit, or cannot be read as a picture, is named in words.

    Args:
        page: Markdown with pictures by file name, as in `![Loss](curves.png)`.
        readers: Shards that hold these files.
    """
    room = MOST_PAGE_CHARACTERS - len(page)
    for reader in readers:
        for name in picture_names(reader):
            link = re.compile(rf"!\[([^\]]*)\]\({re.escape(name)}\)")
            if not link.search(page):
                continue
            picture = _data_uri(reader.read(name))
            if picture is None or len(picture) > room:
                page = link.sub(rf"*\1: see the file* `{name}`", page)
            else:
                room -= len(picture)
                page = link.sub(rf"![\1]({picture})", page)
    return page


def picture_title(name: str) -> str:
    """What a plot shows, in words."""
    return _TITLES.get(name, name.removesuffix(".png").replace("_", " ").capitalize())


def _data_uri(data: bytes) -> str | None:
    """A plot in few colours, a quarter of its size; None if it is no picture."""
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as picture:
            small = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    buffer = BytesIO()
    small.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
