"""`memdec chat` with lines from a pipe, and with a person's Ctrl-C at a terminal."""

import os
import pty
import select
import signal
import subprocess

import psutil
import pytest

from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.joint.conversation import Conversation
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.use.opened_models import model_folder, open_joint
from tests.services.command_line import ENTRY, ROOT
from tests.services.running_services import comes_true
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow
NEW = 12
PROMPT = "› ".encode()


def chat_command(run: TinyRun, *options: str) -> list[str]:
    return [*ENTRY, "chat", str(run.pipeline), "--store", str(run.store), *options]


def stored(run: TinyRun, stage: str, marker: str) -> ArtifactRef:
    """The model of a stage that has a file of this content in config.json."""
    configs = run.store.glob(f"artifacts/{stage}/*/*/all/config.json")
    found = next(path for path in configs if marker in path.read_text())
    return ArtifactRef(stage=stage, fingerprint=found.parents[2].name)


def conversation(run: TinyRun, alpha: float) -> Conversation:
    store = Store.open_existing(str(run.store))
    base, memory = stored(run, "base_model", "gpt2"), stored(run, "memory", "gpt2")
    joint, _ = open_joint(store, base, memory, alpha, "cpu")
    config = ContinuationConfig(max_new_tokens=NEW)
    tokenizer = load_tokenizer(model_folder(store, base))
    return Conversation(joint, tokenizer, config, alpha, "be brief")


def test_lines_of_a_pipe_are_answered_and_obeyed(tiny_run: TinyRun) -> None:
    lines = [
        "the court",
        "/alpha 0.3",
        "",
        "no \udcff",
        "shall",
        "/alpha x",
        "/quit",
        "/reset",
        "the court",
    ]
    done = subprocess.run(
        chat_command(
            tiny_run, "--alpha", "0.6", "--temperature", "0", "--max-new-tokens", str(NEW),
            "--system", "be brief",
        ),
        input="\n".join([*lines, "/exit", "never"]) + "\n",
        errors="surrogateescape",
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    oracle = conversation(tiny_run, 0.6)
    expected = [oracle.reply("the court", lambda _text: None, lambda: False)]
    oracle.alpha = 0.3
    expected.append(oracle.reply("shall", lambda _text: None, lambda: False))
    oracle.reset()
    expected.append(oracle.reply("the court", lambda _text: None, lambda: False))
    assert done.stdout == "".join(f"{answer}\n" for answer in expected)
    assert "/alpha x: the memory's weight is a number from 0 to 1" in done.stderr
    assert "what you said: character 4 is not valid Unicode (U+DCFF)" in done.stderr
    assert "/quit: not a command; /alpha" in done.stderr


def test_ctrl_c_stops_an_answer_and_ctrl_d_ends(tiny_run: TinyRun) -> None:
    person, terminal = pty.openpty()
    with subprocess.Popen(
        chat_command(tiny_run, "--alpha", "0", "--temperature", "1"),
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        read_until(person, PROMPT)
        for _ in range(2):
            wait_until_asleep(process)
            process.send_signal(signal.SIGINT)  # at the prompt: nothing but a new line
            read_until(person, PROMPT)
        os.write(person, b"the court\n")
        read_until(person, b"\n")  # the echo
        process.send_signal(signal.SIGINT)
        read_until(person, PROMPT)
        os.write(person, b"/alpha\n")
        seen = b""
        while "α = 0".encode() not in seen:  # one prompt more where the answer was quicker than we
            seen = read_until(person, PROMPT)
        os.write(person, b"\x04")
        assert process.wait(timeout=60) == 0
    os.close(person)


def read_until(terminal: int, end: bytes) -> bytes:
    seen = b""
    while end not in seen:
        readable, _, _ = select.select([terminal], [], [], 120)
        assert readable, seen
        seen += os.read(terminal, 1000)
    return seen


def wait_until_asleep(process: subprocess.Popen[bytes]) -> None:
    """Waits until it reads; readline notes a signal that comes just before at the next key only."""
    command = psutil.Process(process.pid)
    assert comes_true(lambda: command.status() == psutil.STATUS_SLEEPING, 60, pause=0.01)
