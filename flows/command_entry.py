"""Entry point of the `memdec` command."""

import sys

from flows.server.prefect_environment import prepare_environment


def main() -> None:
    """Runs the command; exits with 0 done, 1 failed, 2 the user's mistake."""
    prepare_environment()
    try:
        from flows.commands.command import (
            run_app,  # Prefect reads its settings when it is first imported
        )
    except KeyboardInterrupt:  # importing takes seconds
        sys.exit(130)
    run_app()
