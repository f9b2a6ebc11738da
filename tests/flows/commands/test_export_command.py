"""`memdec export`: the folder says and does what the pipeline's artifacts say and do."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from flows.commands.export_command import export
from flows.config.config_file import load_config
from flows.planning.comparison_plan import plan_comparison
from flows.planning.plan import plan_pipeline
from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.store.artifact_store import Store
from storage.store.published_folder import FolderNotOurs
from tasks.inputs.finished_run import evaluation_rows
from tasks.inputs.open_datastore import open_router
from tasks.use import export_joint
from tests.oracles.joint_oracle import joint_log_probs
from tests.services.command_line import ROOT, memdec_json
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow
TEXT = "the court shall review, naïve café"
LOADED = """
import json, sys
import torch
{first}
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, text = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder{trust})
model = AutoModelForCausalLM.from_pretrained(folder{trust})
ids = tokenizer(text, return_tensors="pt")
chat = tokenizer.apply_chat_template([{{"role": "user", "content": text}}], tokenize=False)
with torch.no_grad():
    print(json.dumps({{
        "class": f"{{type(model).__module__}}.{{type(model).__name__}}",
        "ids": ids["input_ids"][0].tolist(),
        "bare": tokenizer(text, add_special_tokens=False)["input_ids"],
        "inputs": sorted(ids),
        "chat": chat,
        "logits": model(**ids).logits[0].tolist(),
        "tokens": model.generate(**ids, max_new_tokens=6, do_sample=False)[0].tolist(),
    }}))
"""


@pytest.fixture(scope="module")
def exported(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "tiny-joint"
    said = memdec_json("export", tiny_run.pipeline, folder, "--store", tiny_run.store)
    assert said["folder"] == str(folder)
    assert said["files"] == {path.name: path.stat().st_size for path in folder.iterdir()}
    return folder


def stored_folders(run: TinyRun) -> dict[str, Path]:
    plan, store = plan_pipeline(load_config(run.pipeline)), Store.open_existing(str(run.store))
    refs = {"base": plan.bases[0], "other": plan.bases[1], "memory": plan.memory.ref}
    return {name: store.readers(ref)["all"].folder() for name, ref in refs.items()}


def python(code: str, *arguments: str, folder: Path, **variables: str) -> str:
    """Runs code in a fresh interpreter, with no terminal to ask at."""
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1",
        "HF_MODULES_CACHE": str(folder / "modules"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment | variables, cwd=folder,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("first", "trust"),
    [("import memdec_core.joint", ""), ("", ", trust_remote_code=True")],
)
def test_a_fresh_interpreter_loads_what_the_store_holds(
    exported: Path, tiny_run: TinyRun, tmp_path: Path, first: str, trust: str
) -> None:
    code = LOADED.format(first=first, trust=trust)
    loaded: dict[str, Any] = json.loads(python(code, str(exported), TEXT, folder=tmp_path))
    assert loaded["class"] == "memdec_core.joint.model.JointForCausalLM"
    folders = stored_folders(tiny_run)
    tokenizer = load_tokenizer(folders["base"])
    ids = tokenizer(TEXT)["input_ids"]
    assert (loaded["ids"], loaded["bare"]) == (ids, ids)
    assert loaded["inputs"] == ["attention_mask", "input_ids"]
    assert loaded["chat"] == f"user: {TEXT}\n"
    parts = [AutoModelForCausalLM.from_pretrained(folders[n]) for n in ("base", "memory")]
    alpha = json.loads((exported / "config.json").read_text())["weights"][0]
    expected = joint_log_probs(parts, [alpha], ids, 400)
    actual = torch.log_softmax(torch.tensor(loaded["logits"]).double(), dim=-1)
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=0)
    for _ in range(6):
        ids.append(int(joint_log_probs(parts, [alpha], ids, 400)[-1].argmax()))
    assert loaded["tokens"] == ids


def test_without_memdec_the_model_says_what_it_needs(exported: Path, tmp_path: Path) -> None:
    code = """
import sys
sys.modules["memdec_core"] = None
from transformers import AutoConfig
try:
    AutoConfig.from_pretrained(sys.argv[1], trust_remote_code=True)
except ImportError as error:
    print(error)
"""
    said = python(code, str(exported), folder=tmp_path)
    assert "install memdec 0.1.0 or newer" in said


def test_the_router_of_the_comparison_comes_along(exported: Path, tiny_run: TinyRun) -> None:
    plan = plan_comparison(load_config(tiny_run.pipeline))
    fitted = next(job.ref for job in plan.jobs() if job.ref.stage == "alpha_router")
    stored = open_router(Store.open_existing(str(tiny_run.store)), fitted).arrays()
    model = AutoModelForCausalLM.from_pretrained(exported)
    assert model.config.router == {name: array.tolist() for name, array in stored.items()}
    model.generate(torch.tensor([[5, 6]]), alpha="router", max_new_tokens=2)
    assert 'alpha="router"' in card_of(exported)[1]


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    _, metadata, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(metadata), text


def test_the_card_has_what_was_measured(exported: Path, tiny_run: TinyRun) -> None:
    metadata, text = card_of(exported)
    assert metadata["library_name"] == "transformers"
    assert metadata["license"] == ["apache-2.0", "cc-by-4.0"]
    assert metadata["language"] == "en"
    evaluation = plan_pipeline(load_config(tiny_run.pipeline)).evaluation.ref
    shown = evaluation_rows(Store.open_existing(str(tiny_run.store)), evaluation)
    base = next(row["base"] for row in shown if row["base"])
    for row in shown:
        if row["metric"] == "perplexity" and row["base"] in (base, None):
            digits = f"{row['value']:,.2f} ({row['ci_low']:,.2f} – {row['ci_high']:,.2f})"
            assert digits in text, row
    assert f"# {base} with a memory of tiny" in text
    for heading in ("Compared", "Text learnt by heart", "Limits", "Licences", "Citation"):
        assert f"\n## {heading}\n" in text
    assert "| + memory |" in text.split("another corpus, general")[1]
    assert "| train | 24 |" in text
    assert "From `domain.jsonl`." in text


def test_the_example_of_the_card_runs_as_it_is(exported: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", card_of(exported)[1], re.DOTALL)
    (tmp_path / exported.name).symlink_to(exported)
    assert len(python(code, folder=tmp_path)) > len("TheThe")


def test_no_file_says_where_anything_lay(exported: Path, tiny_run: TinyRun) -> None:
    for path in exported.iterdir():
        content = path.read_bytes()
        for place in (tiny_run.pipeline.parent, exported.parent, ROOT, Path.home()):
            assert len(str(place)) < 3 or f"{place}/".encode() not in content, (path, place)


def test_provenance_names_every_artifact_and_file(exported: Path, tiny_run: TinyRun) -> None:
    said = json.loads((exported / "provenance.json").read_text())
    plan = plan_comparison(load_config(tiny_run.pipeline))
    assert set(said["artifacts"]) == {f"{j.ref.stage}/{j.ref.fingerprint}" for j in plan.jobs()}
    assert said["memory"] == f"memory/{plan.pipeline.memory.ref.fingerprint}"
    assert said["memory"] in said["artifacts"]
    assert {"python", "torch", "transformers", "memdec"} <= set(said["software"])
    assert set(said["files"]) == {p.name for p in exported.iterdir()} - {"provenance.json"}


def run_export(
    run: TinyRun,
    folder: Path,
    *overrides: str,
    base: str | None = None,
    alpha: float | None = None,
) -> None:
    """The command, in this process."""
    export(run.pipeline, folder, alpha, base, list(overrides), str(run.store))


def test_another_export_takes_the_place_of_the_first(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_joint, "MOST_SHARD_BYTES", "60KB")
    run_export(tiny_run, tmp_path / "out")
    before = card_of(tmp_path / "out")[1]
    with pytest.raises(UserError, match=r"evaluates no such base; there are (gpt2-\S+, qwen2-\S+)"):
        run_export(tiny_run, tmp_path / "out", base="gpt3")
    assert card_of(tmp_path / "out")[1] == before
    other = re.search(r"qwen2-\S+k", str(named_bases(tiny_run, tmp_path / "out")))
    assert other is not None
    run_export(tiny_run, tmp_path / "out", "corpus.license=null", base=other.group(), alpha=0.25)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert isinstance(model, JointForCausalLM)
    assert model.config.base.model_type == "qwen2"
    assert model.config.weights == [0.25]
    assert (tmp_path / "out" / "model.safetensors.index.json").exists()
    metadata, text = card_of(tmp_path / "out")
    assert (metadata["license"], metadata["license_name"]) == ("other", "unknown")
    assert "trained on: unknown" in text
    assert "α was set by hand" in text
    assert "gpt2" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def named_bases(run: TinyRun, folder: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        run_export(run, folder, base="?")
    return caught.value


def test_a_folder_with_other_files_is_refused(tiny_run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderNotOurs, match="not empty"):
        run_export(tiny_run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_pipeline_that_has_not_run_is_named(tiny_run: TinyRun, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`tiny` has no finished run with this configuration"):
        run_export(tiny_run, tmp_path / "out", "training.epochs=2")
    assert not (tmp_path / "out").exists()


def test_auto_tokenizer_makes_the_same_ids_of_everything(exported: Path, tiny_run: TinyRun) -> None:
    ours = load_tokenizer(stored_folders(tiny_run)["base"])
    theirs = AutoTokenizer.from_pretrained(exported)
    for text in (TEXT, "", "  a\n\n\tb ", "<|endoftext|>x", "中文字 🙂 ﬁ", "user: 1234567890"):
        assert theirs(text)["input_ids"] == ours(text)["input_ids"]
