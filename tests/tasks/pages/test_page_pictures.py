import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from memdec_core.plots.build_plots import recall_png
from storage.store.artifact_store import Store
from storage.store.shard_files import ShardReader
from tasks.pages.page_pictures import MOST_PAGE_CHARACTERS, with_pictures
from tests.support.artifacts import publish

PLOT = recall_png({4: 0.9, 8: 0.97, 16: 0.999}, 0.998)


def noise() -> bytes:
    """A picture that no palette makes small."""
    pixels = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture
def reader(store: Store) -> ShardReader:
    def fill(folder: Path) -> None:
        (folder / "recall.png").write_bytes(PLOT)
        (folder / "noise.png").write_bytes(noise())
        (folder / "broken.png").write_bytes(b"\x89PNG not a picture")

    return store.readers(publish(store, "index", {"all": (fill, {})}))["all"]


def test_a_plot_is_shown_as_it_is_in_a_fraction_of_its_size(reader: ShardReader) -> None:
    page = with_pictures("![Recall](recall.png)", [reader])
    (data,) = re.findall(r"!\[Recall\]\(data:image/png;base64,([^)]+)\)", page)
    assert len(data) < len(PLOT) / 2
    shown, drawn = (
        np.asarray(Image.open(BytesIO(png)).convert("RGB"), dtype=float)
        for png in (base64.b64decode(data), PLOT)
    )
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 1


def test_a_page_never_grows_beyond_what_lists_can_bear(reader: ShardReader) -> None:
    page = with_pictures("![Noise](noise.png)\n\n![Recall](recall.png)", [reader])
    assert len(page) < MOST_PAGE_CHARACTERS
    assert "*Noise: see the file* `noise.png`" in page
    assert "![Recall](data:image/png" in page


def test_a_file_that_is_no_picture_is_named(reader: ShardReader) -> None:
    assert with_pictures("![Plot](broken.png)", [reader]) == "*Plot: see the file* `broken.png`"
