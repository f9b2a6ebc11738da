import shutil
from pathlib import Path

import pytest

from flows.config.config_file import load_config, load_pipelines
from memdec_core.errors import UserError


def test_a_misspelt_key_is_named_with_its_neighbour(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"config\.targets\.taw.*did you mean 'tau'\?"):
        load_config(tiny_pipeline, ["targets.taw=3"])


def test_an_unknown_section_lists_the_known_ones(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"config\.xyz: there is no such key; known keys: name,"):
        load_config(tiny_pipeline, ["xyz.a=3"])


def test_a_misspelt_key_inside_an_optional_section_is_named(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"base_model\.pretrain\.layrs.*did you mean 'layers'"):
        load_config(tiny_pipeline, ["base_model.pretrain.layrs=3"])


def test_a_value_out_of_bounds_is_named_with_its_bound(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"config\.targets\.k: .*greater than or equal to 1"):
        load_config(tiny_pipeline, ["targets.k=0"])


def test_an_override_is_read_as_yaml(tiny_pipeline: Path) -> None:
    config = load_config(tiny_pipeline, ["training.beta=0.25", "training.schedule=cosine"])
    assert (config.training.beta, config.training.schedule) == (0.25, "cosine")


@pytest.mark.parametrize("override", ["training.epochs", "=3"])
def test_an_override_that_is_no_assignment_is_refused(tiny_pipeline: Path, override: str) -> None:
    with pytest.raises(UserError, match=r"KEY\.PATH=VALUE"):
        load_config(tiny_pipeline, [override])


def test_an_override_below_a_value_is_refused(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"config\.name is a value, not a section"):
        load_config(tiny_pipeline, ["name.first=3"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        load_config(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("text", ["a: [1", "- a list", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.yaml"):
        load_config(path)


def test_a_memory_has_one_start(tiny_pipeline: Path) -> None:
    both = ["memory.from_memory.name=a", "memory.init.name=b"]
    with pytest.raises(UserError, match=r"config\.memory: give `init` .* or `from_memory`.*both"):
        load_config(tiny_pipeline, both)
    config = load_config(tiny_pipeline, [*both, "memory.init=null"])
    assert config.memory.from_memory is not None
    assert config.memory.from_memory.embeddings == "overlap"


def test_a_misspelt_key_of_another_memory_is_named(tiny_pipeline: Path) -> None:
    with pytest.raises(UserError, match=r"memory\.from_memory\.sede.*did you mean 'seed'"):
        load_config(tiny_pipeline, ["memory.from_memory={name: a, sede: 3}"])


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
