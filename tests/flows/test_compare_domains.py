"""Several pipelines in one `memdec compare`: their names, and the job that joins them."""

from pathlib import Path

import pytest

from flows.compare_domains import plan_domains
from flows.config.config_file import load_configs
from memdec_core.errors import UserError
from storage.objects.artifact_ref import ArtifactRef
from tests.support.tiny_pipeline import write_tiny_pipeline

LAW = ArtifactRef(stage="comparison", fingerprint="1" * 32)
FINANCE = ArtifactRef(stage="comparison", fingerprint="2" * 32)


def renamed(pipeline: Path, name: str) -> Path:
    path = pipeline.with_name(f"{name}.yaml")
    path.write_text(pipeline.read_text().replace("name: tiny", f"name: {name}"))
    return path


def test_the_joint_page_depends_on_names_and_comparisons_not_on_their_order() -> None:
    job = plan_domains({"law": LAW, "finance": FINANCE})
    assert job == plan_domains({"finance": FINANCE, "law": LAW})
    assert job.inputs == {"finance": FINANCE, "law": LAW}
    assert job.pipeline == "finance-law"
    others = [{"law": FINANCE, "finance": LAW}, {"law": LAW, "money": FINANCE}]
    assert all(plan_domains(inputs).ref != job.ref for inputs in others)


def test_pipelines_keep_the_order_given_and_take_the_same_overrides(tmp_path: Path) -> None:
    pipeline = write_tiny_pipeline(tmp_path / "pipeline")
    paths = [pipeline, renamed(pipeline, "another")]
    configs = load_configs(paths, ["training.epochs=7"])
    assert [config.name for config in configs] == ["tiny", "another"]
    assert [config.training.epochs for config in configs] == [7, 7]


def test_pipelines_of_one_name_are_refused(tmp_path: Path) -> None:
    pipeline = write_tiny_pipeline(tmp_path / "pipeline")
    paths = [pipeline, renamed(pipeline, "another"), pipeline]
    with pytest.raises(UserError, match=r"tiny\.yaml, .*tiny\.yaml are all called tiny.*own$"):
        load_configs(paths, [])
