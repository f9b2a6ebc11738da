"""The `memdec` command: its subcommands, each in a file of its own."""

import typer

from flows.artifact_commands import artifacts_app
from flows.chat_command import chat
from flows.compare_command import compare
from flows.console import exit_on_mistake
from flows.deploy_command import deploy
from flows.explain_command import explain
from flows.export_command import export
from flows.generate_command import generate
from flows.plan_command import plan
from flows.run_command import run
from flows.serve_command import serve
from flows.serve_flows_command import serve_flows
from flows.tokenizers_command import tokenizers
from flows.watch_command import watch

app = typer.Typer(
    name="memdec",
    help="Builds a Memory Decoder from a domain corpus and keeps it current.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(plan)
app.command()(compare)
app.command()(watch)
app.command()(generate)
app.command()(chat)
app.command()(explain)
app.command()(serve)
app.command()(export)
app.command()(deploy)
app.command()(serve_flows)
app.command()(tokenizers)
app.add_typer(artifacts_app, name="artifacts")


def run_app() -> None:
    """Runs the command line with every error turned into one message and an exit code."""
    with exit_on_mistake():
        app()
