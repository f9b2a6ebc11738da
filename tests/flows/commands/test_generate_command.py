"""`memdec generate` on a pipeline that has run."""

import json
import subprocess

import pytest

from flows.config.config_file import load_config
from flows.planning.plan import plan_pipeline
from memdec_core.decoding.decoding_config import ContinuationConfig
from storage.store.artifact_store import Store
from tasks.inputs.finished_run import evaluated_alpha
from tasks.use.joint_text import continue_both
from tests.services.command_line import ENTRY, ROOT, memdec
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow
OPTIONS = {
    "max_new_tokens": 12,
    "temperature": 0.9,
    "top_p": 0.9,
    "top_k": 50,
    "repetition_penalty": 1.1,
    "num_samples": 2,
    "stop": ("e", "é"),
    "seed": 3,
}


def test_samples_of_a_prompt_from_a_pipe_with_every_option(tiny_run: TinyRun) -> None:
    options = []
    for name, value in OPTIONS.items():
        for each in value if isinstance(value, tuple) else (value,):
            options += [f"--{name.replace('_', '-')}", str(each)]
    done = subprocess.run(
        [*ENTRY, "generate", str(tiny_run.pipeline), "--store", str(tiny_run.store), "--json",
         "--prompt", "-", *options],
        input="the court\nshall\n", cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = plan_pipeline(load_config(tiny_run.pipeline))
    store = Store.open_existing(str(tiny_run.store))
    alpha = evaluated_alpha(store, plan.evaluation.ref)
    texts = continue_both(
        store, plan.bases[0], plan.memory.ref, alpha, "the court\nshall",
        ContinuationConfig.model_validate(OPTIONS), "cpu",
    )  # fmt: skip
    assert json.loads(done.stdout) == {"prompt": "the court\nshall", "alpha": alpha, **texts}
    assert all(len(side) == 2 for side in texts.values())


def test_the_table_has_a_row_for_every_text(tiny_run: TinyRun) -> None:
    done = memdec(
        "generate", tiny_run.pipeline, "--store", tiny_run.store, "--prompt", "the court",
        "--alpha", "0.5", "--num-beams", "3", "--num-samples", "3", "--max-new-tokens", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "base + memory (α = 0.5)" in done.stdout
    assert done.stdout.count("├") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top-p", "0"], "--top-p: Input should be greater than 0"),
        (["--num-samples", "2"], "raise the temperature or num_beams"),
        (["--stop", ""], "--stop: String should have at least 1 character"),
        (["--max-new-tokens", "256"], "exceed the context of 256"),
    ],
)
def test_options_that_make_no_texts_are_named(
    tiny_run: TinyRun, options: list[str], message: str
) -> None:
    done = memdec(
        "generate", tiny_run.pipeline, "--store", tiny_run.store, "--prompt", "the", *options
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
