"""`memdec chat` with lines from a pipe, and with a person's Ctrl-C at a terminal."""

import os
import pty
import select
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from tasks.use.open_joint import open_joint

from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.joint.conversation import Conversation
from memdec_core.text.tokenizer_loading import load_tokenizer
from tests.services.command_line import ENTRY, ROOT
from tests.services.running_services import comes_true
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow
NEW = 12
PROMPT = "› ".encode()


def chat_command(run: TinyRun, *options: str) -> list[str]:
    return [*ENTRY, "chat", str(run.pipeline), "--store", str(run.store), *options]


def stored(run: TinyRun, stage: str, marker: str) -> Path:
    """The folder of the model of a stage that has a file of this content in config.json."""
    folders = [path.parent for path in run.store.glob(f"artifacts/{stage}/*/*/all/config.json")]
    return next(each for each in folders if marker in (each / "config.json").read_text())


def conversation(run: TinyRun, alpha: float) -> Conversation:
    base, memory = stored(run, "base_model", "gpt2"), stored(run, "memory", "gpt2")
    joint = open_joint(base, memory, "memory", alpha, "cpu").model
    config = ContinuationConfig(max_new_tokens=NEW)
    return Conversation(joint, load_tokenizer(base), config, alpha, "be brief")


def test_lines_of_a_pipe_are_answered_and_obeyed(tiny_run: TinyRun) -> None:
    lines = ["the court", "/alpha 0.3", "", "shall", "/alpha x", "/quit", "/reset", "the court"]
    done = subprocess.run(
        chat_command(
            tiny_run, "--alpha", "0.6", "--temperature", "0", "--max-new-tokens", str(NEW),
            "--system", "be brief",
        ),
        input="\n".join([*lines, "/exit", "never"]) + "\n",
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
