"""`memdec serve` as a process: it answers OpenAI's client, and stops when it is told to."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from tests.services.command_line import ENTRY, ROOT, memdec, memdec_json
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow


@contextmanager
def serving(
    run: TinyRun, *options: str, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server and its URL."""
    command = [*ENTRY, "serve", str(run.pipeline), "--store", str(run.store), "--port", "0"]
    process = subprocess.Popen(
        [*command, *options], cwd=ROOT, env=os.environ | variables, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"serving base, tiny at (http://\S+)", line)
        assert found, (line, process.communicate(timeout=5) if process.poll() else "")
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def test_a_pipeline_is_served_until_sigterm(tiny_run: TinyRun) -> None:
    with serving(tiny_run) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["base", "tiny"]
            texts = {
                name: client.completions.create(
                    model=model, prompt="the court shall", max_tokens=12, temperature=0
                )
                .choices[0]
                .text
                for name, model in (("base", "base"), ("memory", "tiny"))
            }
            chat = client.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "the court"}], max_tokens=4
            )
        assert chat.choices[0].message.role == "assistant"
        answered_by = str(chat.system_fingerprint)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Traceback" not in errors
    generated = memdec_json(
        "generate", tiny_run.pipeline, "--store", tiny_run.store, "--prompt", "the court shall",
        "--max-new-tokens", "12",
    )  # fmt: skip
    assert {name: [text] for name, text in texts.items()} == {
        name: generated[name] for name in texts
    }
    check_lineage(tiny_run, answered_by)


def check_lineage(run: TinyRun, answered_by: str) -> None:
    """An answer leads back to the documents it was made of."""
    store = ("--store", run.store)
    found = memdec_json("lineage", answered_by, *store)
    memories = [
        row["artifact"] for row in found["artifacts"] if row["artifact"].startswith("memory/")
    ]
    assert [name.split("/")[1][:8] for name in memories] == [answered_by.split("-")[1]]
    (splits,) = found["documents"].values()
    names = {name for ids in splits.values() for name in ids}
    assert names == {f"doc/1/{number}" for number in range(40)}
    shown = memdec("lineage", memories[0], *store)
    assert "run 1 of tiny" in shown.stdout
    assert "Documents of corpus/" in shown.stdout
    assert "; --json has all)" in shown.stdout


def test_a_key_from_the_environment_is_asked_for(tiny_run: TinyRun) -> None:
    options = ("--api-key-env", "OUR_KEY", "--host", "0.0.0.0")
    with serving(tiny_run, *options, OUR_KEY="a secret") as (process, url):
        local = url.replace("0.0.0.0", "127.0.0.1")
        with openai.OpenAI(base_url=f"{local}/v1", api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
            assert client.with_options(api_key="a secret").models.list().data
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "a secret" not in output + errors
        assert "can be reached from other machines" not in errors


@pytest.mark.long
def test_other_machines_without_a_key_are_warned_of(tiny_run: TinyRun) -> None:
    with serving(tiny_run, "--host", "0.0.0.0") as (process, _url):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert "0.0.0.0 can be reached from other machines, and no API key is set" in errors


def test_mistakes_are_told_in_one_message(tiny_run: TinyRun) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        here = memdec("serve", tiny_run.pipeline, "--store", tiny_run.store, "--port", port)
    assert here.returncode == 2
    assert f"127.0.0.1:{port}: cannot be listened on" in here.stderr
    nothing = memdec(
        "serve", tiny_run.pipeline, "--store", tiny_run.store, "--set", "training.beta=0.25"
    )
    assert nothing.returncode == 2
    assert "run the pipeline to build it" in nothing.stderr
    unset = memdec(
        "serve", tiny_run.pipeline, "--store", tiny_run.store, "--api-key-env", "NO_SUCH_VARIABLE"
    )
    assert unset.returncode == 2
    assert "NO_SUCH_VARIABLE: this environment variable is empty or not set" in unset.stderr
    assert "Traceback" not in here.stderr + nothing.stderr + unset.stderr
