"""The `memdec` command: its subcommands, each in a file of its own."""

import typer

from flows.commands.artifact_commands import artifacts_app
from flows.commands.chat_command import chat
from flows.commands.compare_command import compare
from flows.commands.deploy_command import deploy
from flows.commands.explain_command import explain
from flows.commands.export_command import export
from flows.commands.generate_command import generate
from flows.commands.lineage_command import lineage
from flows.commands.plan_command import plan
from flows.commands.promotion_commands import history, promote, rollback
from flows.commands.run_command import run
from flows.commands.serve_command import serve
from flows.commands.serve_flows_command import serve_flows
from flows.commands.tokenizers_command import tokenizers
from flows.commands.watch_command import watch
from flows.server.console import exit_on_mistake

app = typer.Typer(
    name="memdec",
    help="Builds a Memory Decoder from a domain corpus and keeps it current.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (
    *(run, plan, compare, watch),
    *(generate, chat, explain, serve, export),
    *(promote, rollback, history, lineage, deploy, serve_flows, tokenizers),
):
    app.command()(_command)
app.add_typer(artifacts_app, name="artifacts")


def run_app() -> None:
    """Runs the command line with every error turned into one message and an exit code."""
    with exit_on_mistake():
        app()
