"""`memdec chat`: a conversation with a base model and its memory."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands import command_options as options
from flows.config.config_file import load_config
from flows.planning.plan import plan_pipeline
from flows.server.console import screen
from memdec_core.errors import UserError
from memdec_core.text.sound_text import sound_text
from storage.store.artifact_store import Store

if TYPE_CHECKING:
    from memdec_core.joint.conversation import Conversation

System = Annotated[
    str | None, typer.Option(metavar="TEXT", help="The system message, before the first turn.")
]
HELP = "/alpha 0.3 sets the memory's weight, /reset starts anew, /exit (or Ctrl-D) ends"


def chat(  # noqa: PLR0913 - each is an option of the command
    pipeline: options.Pipeline,
    alpha: options.Alpha = None,
    system: System = None,
    max_new_tokens: options.MaxNewTokens = 500,
    temperature: options.Temperature = 0.7,
    top_p: options.TopP = 1.0,
    seed: options.Seed = 0,
    overrides: options.Overrides = None,
    store: options.StoreUrl = options.DEFAULT_STORE,
    device: options.Device = "auto",
) -> None:
    """Chat with the base model and its memory; the base's tokenizer needs a chat template."""
    sampling = options.continuation_config(
        max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed
    )
    sound_text(system or "", "--system")
    options.keep_undecodable_input()
    plan = plan_pipeline(load_config(pipeline, overrides or []))
    opened = Store.open_existing(store)
    from tasks.inputs.finished_run import evaluated_alpha
    from tasks.use.joint_text import open_conversation  # PyTorch takes seconds to import

    weight = evaluated_alpha(opened, plan.evaluation.ref) if alpha is None else alpha
    conversation = open_conversation(
        opened, plan.bases[0], plan.memory.ref, weight, sampling, system, device
    )
    screen.print(f"α = {weight:g}; {HELP}; Ctrl-C stops an answer", markup=False, soft_wrap=True)
    with _Interrupts.caught() as interrupts:
        for line in _lines(interrupts):
            if line == "/exit":
                break
            try:
                sound_text(line, "what you said")
                if line.startswith("/"):
                    _obey(conversation, line)
                elif line:
                    conversation.reply(line, _write, lambda: interrupts.is_stopped)
                    _write("\n")
            except UserError as mistake:
                screen.print(str(mistake), markup=False, soft_wrap=True)


class _Interrupts:
    """Ctrl-C: it stops an answer that is being written, and clears the line elsewhere."""

    def __init__(self) -> None:
        self.is_listening = False
        self.is_stopped = False

    @classmethod
    @contextmanager
    def caught(cls) -> Iterator["_Interrupts"]:
        """Takes Ctrl-C over from the command, to which it means the end."""
        interrupts = cls()
        before = signal.signal(signal.SIGINT, interrupts._note)
        try:
            yield interrupts
        finally:
            signal.signal(signal.SIGINT, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_stopped = True
        if self.is_listening:
            signal.default_int_handler(number, frame)


def _lines(interrupts: _Interrupts) -> Iterator[str]:
    """What the user says, line by line, until the input ends."""
    with suppress(ModuleNotFoundError):
        import readline  # noqa: F401 - input() edits lines with it
    while True:
        try:
            interrupts.is_listening, interrupts.is_stopped = True, False
            line = input("› ") if sys.stdin.isatty() else sys.stdin.readline()
        except KeyboardInterrupt:
            screen.print()
            continue
        except EOFError:
            screen.print()
            return
        finally:
            interrupts.is_listening = False
        if not line and not sys.stdin.isatty():
            return
        yield line.strip()


def _obey(conversation: "Conversation", line: str) -> None:
    """Does what a line that begins with a slash says.

    Raises:
        UserError: There is no such command, or no such weight.
    """
    command, _, argument = line.partition(" ")
    if command == "/reset" and not argument:
        conversation.reset()
    elif command == "/alpha" and argument:
        conversation.alpha = _weight(argument)
    elif line != "/alpha":
        raise UserError(f"{command}: not a command; {HELP}")
    screen.print(f"α = {conversation.alpha:g}", markup=False)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 1:
        raise UserError(f"/alpha {text}: the memory's weight is a number from 0 to 1")
    return weight


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
