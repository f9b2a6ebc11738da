"""The README's ways of using a memory run as they are written, one after the other."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.services.command_line import ROOT
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow
SAID = "Returns a tensor\n/exit\n"
"""What a person types into a block that asks."""


def blocks() -> list[tuple[str, str]]:
    """Language and content of every block of the section on using a memory."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Use the memory\n")[1]
    return re.findall(r"```(\w*)\n(.*?)```", section.split("\n## ")[0], re.DOTALL)


def harness_block() -> str:
    (block,) = (text for _, text in blocks() if "lm_eval" in text)
    return block


@pytest.fixture
def workplace(tiny_run: TinyRun, tmp_path: Path) -> Path:
    """A folder as the README's reader has it, with a tiny pipeline for the quickstart's."""
    shutil.copytree(tiny_run.store, tmp_path / "store")
    (tmp_path / "store/refs/tiny").rename(tmp_path / "store/refs/quickstart")
    config = yaml.safe_load(tiny_run.pipeline.read_text())
    config["name"] = "quickstart"
    (tmp_path / "deploy/pipelines").mkdir(parents=True)
    for name in ("deploy/pipelines/quickstart.yaml", "my-domain.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(config))
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "larger-base").symlink_to(tiny_run.pipeline.parent / "tiny-qwen2-2")
    return tmp_path


def run_block(language: str, block: str, folder: Path) -> str:
    """Runs a block to its end, whatever it leaves running in the background."""
    shell = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        done = subprocess.run(
            [*shell, block], cwd=folder, env=environment, input=SAID, stdout=out, stderr=err,
            text=True, check=False, timeout=600,
        )  # fmt: skip
        out.seek(0)
        err.seek(0)
        assert done.returncode == 0, f"{block}\n{err.read()}"
        return out.read()


@contextmanager
def background_jobs_ended(folder: Path) -> Iterator[None]:
    """Ends the servers that blocks start; they write their process ids to a file."""
    try:
        yield
    finally:
        for line in (folder / "jobs").read_text().split() if (folder / "jobs").exists() else ():
            os.kill(int(line), signal.SIGTERM)


def test_every_block_says_what_it_is() -> None:
    assert {language for language, _ in blocks()} == {"bash", "python"}
    used = " ".join(text for _, text in blocks())
    for way in ("generate", "chat", "export", "from_pretrained", "serve", "openai", "lm_eval"):
        assert way in used


def test_the_blocks_run_in_their_order(workplace: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("NOT TESTED: the README's blocks, one of which needs curl")
    with socket.socket() as probe:  # the README's port may be taken
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    said: dict[str, str] = {}
    with background_jobs_ended(workplace):
        for language, block in blocks():
            if block != harness_block():
                text = block.replace("8080", port).replace("&\n", "& echo $! >> jobs\n")
                said[block] = run_block(language, text, workplace)
    outputs = [*said.values()]
    assert '"memory": [' in outputs[0]
    assert outputs[1].strip()
    assert all(name in outputs[2] for name in ("quickstart-joint", "α"))
    assert outputs[3].count("Returns a tensor") == 2
    saved = json.loads((workplace / "larger-joint" / "config.json").read_text())
    assert saved["base"]["model_type"] == "qwen2"
    assert '"object":"text_completion"' in outputs[5].replace(" ", "")


def test_the_harness_block_runs_on_a_task_from_a_file(workplace: Path) -> None:
    pytest.importorskip(
        "lm_eval", reason="NOT TESTED: the README's block for lm-evaluation-harness"
    )
    from tests.tasks.test_lm_eval_model import write_task

    (workplace / "reviews.yaml").write_text(yaml.safe_dump(write_task(workplace)))
    offline = "--tasks reviews --include_path ."  # the README's task is downloaded
    block = harness_block()
    assert "--tasks lambada_openai" in block
    block = block.replace("--tasks lambada_openai", offline)
    assert "acc" in run_block("bash", block, workplace)
