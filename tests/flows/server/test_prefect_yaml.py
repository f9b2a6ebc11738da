from pathlib import Path

import yaml

from tests.services.command_line import ROOT, memdec


def test_the_committed_file_is_what_the_pipelines_give(tmp_path: Path) -> None:
    written = tmp_path / "prefect.yaml"
    done = memdec("deploy", "deploy/pipelines", "--write", written)
    assert done.returncode == 0, done.stderr
    committed = (ROOT / "deploy/prefect.yaml").read_text(encoding="utf-8")
    again = "write it again: memdec deploy deploy/pipelines --write deploy/prefect.yaml"
    assert written.read_text(encoding="utf-8") == committed, again


def test_the_file_holds_no_path_of_the_machine_that_wrote_it() -> None:
    text = (ROOT / "deploy/prefect.yaml").read_text(encoding="utf-8")
    assert str(ROOT) not in text
    stores = {
        deployment["parameters"]["settings"]["store"]
        for deployment in yaml.safe_load(text)["deployments"]
        if "settings" in deployment["parameters"]
    }
    assert stores == {"{{ project.stdout }}/store"}
