import shutil
from pathlib import Path

import pytest

from flows.config.pipeline_files import load_pipelines
from memdec_core.errors import UserError


@pytest.fixture
def folder(tiny_pipeline: Path) -> Path:
    """A folder with the pipelines `law` and `medicine`, and a file that is none."""
    folder = tiny_pipeline.parent / "pipelines"
    folder.mkdir()
    for file, name in (("2.yaml", "law"), ("1.yml", "medicine")):
        text = tiny_pipeline.read_text().replace("name: tiny", f"name: {name}")
        (folder / file).write_text(text)
    (folder / "notes.txt").write_text("no pipeline")
    return folder


def test_a_folder_gives_its_pipelines_in_the_order_of_the_files(folder: Path) -> None:
    assert [config.name for config in load_pipelines([folder])] == ["medicine", "law"]


def test_a_file_that_its_folder_gives_too_is_read_once(folder: Path, tiny_pipeline: Path) -> None:
    names = [config.name for config in load_pipelines([folder / "2.yaml", tiny_pipeline, folder])]
    assert names == ["law", "tiny", "medicine"]


def test_two_files_of_one_name_are_both_named(folder: Path) -> None:
    shutil.copy(folder / "2.yaml", folder / "3.yaml")
    with pytest.raises(UserError, match=r"2\.yaml, .*3\.yaml are all called law"):
        load_pipelines([folder])


def test_an_invalid_file_is_named(folder: Path) -> None:
    (folder / "3.yaml").write_text("name: tax\n")
    with pytest.raises(UserError, match=r"3\.yaml: config\.corpus: Field required"):
        load_pipelines([folder])


def test_a_folder_without_pipelines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no pipelines"):
        load_pipelines([tmp_path])
