"""`memdec serve`: OpenAI's HTTP interface to a base and the memories of finished pipelines."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from flows.commands.command_options import DEFAULT_STORE, Alpha, Device, Overrides, StoreUrl
from flows.config.config_file import load_configs
from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import plan_pipeline, release_of
from flows.server.console import output, screen
from memdec_core.errors import UserError
from storage.store.artifact_store import Store
from storage.store.production import read_decisions, ways_back
from tasks.serving.server_settings import ServerSettings

if TYPE_CHECKING:
    from tasks.serving.open_models import ServedPipeline
    from tasks.serving.production_follower import Served

KEY_VARIABLE = "MEMDEC_API_KEY"

Pipelines = Annotated[
    list[Path],
    typer.Argument(
        metavar="PIPELINE.yaml",
        help="Finished pipelines; the base is the first one's, the memories are all of theirs.",
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help=f"Variable with the key that clients need; {KEY_VARIABLE} if unset."
    ),
]
MaxBatch = Annotated[int, typer.Option(min=1, help="Sequences decoded together.")]
MaxQueue = Annotated[int, typer.Option(min=1, help="Sequences that wait; further ones get 429.")]
MaxTokensLimit = Annotated[int, typer.Option(min=1, help="Most new tokens of one sequence.")]
RequestTimeout = Annotated[float, typer.Option(min=0.1, help="Seconds until a request gets 504.")]
Grace = Annotated[float, typer.Option(min=0, help="Seconds for running requests at the end.")]

_DEFAULTS = {name: field.default for name, field in ServerSettings.model_fields.items()}


def serve(  # noqa: PLR0913 - each is an option of the command
    pipelines: Pipelines,
    overrides: Overrides = None,
    store: StoreUrl = DEFAULT_STORE,
    host: Host = _DEFAULTS["host"],
    port: Port = _DEFAULTS["port"],
    alpha: Alpha = None,
    device: Device = "auto",
    api_key_env: ApiKeyEnv = None,
    max_batch: MaxBatch = _DEFAULTS["max_batch"],
    max_queue: MaxQueue = _DEFAULTS["max_queue"],
    max_tokens_limit: MaxTokensLimit = _DEFAULTS["max_tokens_limit"],
    request_timeout: RequestTimeout = _DEFAULTS["request_timeout"],
    grace: Grace = _DEFAULTS["grace"],
) -> None:
    """Serve base and base + memory over HTTP, as OpenAI's clients expect it; follow production."""
    settings = ServerSettings(
        host=host,
        port=port,
        api_key=_api_key(api_key_env),
        max_batch=max_batch,
        max_queue=max_queue,
        max_tokens_limit=max_tokens_limit,
        request_timeout=request_timeout,
        grace=grace,
    )
    configs = load_configs(pipelines, overrides or [])
    opened = Store.open_existing(store)
    from memdec_core.serving.engine_limits import EngineLimits  # PyTorch takes seconds to import
    from tasks.serving.engine_slot import EngineSlot
    from tasks.serving.open_models import open_models
    from tasks.serving.production_follower import ProductionFollower
    from tasks.serving.run_server import run_server

    def current() -> "Served":
        return [_served(opened, config, follow=not overrides) for config in configs]

    served = current()
    models = open_models(opened, served, alpha, device)
    if settings.is_exposed:
        screen.print(
            f"[bold yellow]warning[/] {host} can be reached from other machines, and no API key "
            f"is set: anyone can ask; set {KEY_VARIABLE}",
            soft_wrap=True,
        )
    slot = EngineSlot(models, EngineLimits(max_batch=max_batch, max_queue=max_queue))
    names = ", ".join(models.catalog.names)
    follower = ProductionFollower(
        slot,
        opened,
        served,
        current,
        lambda found: open_models(opened, found, alpha, device),
        screen.print,
    )
    with follower:
        run_server(
            slot,
            settings,
            lambda url: output.print(f"serving {names} at {url}", markup=False, soft_wrap=True),
        )


def _served(store: Store, config: PipelineConfig, *, follow: bool) -> "ServedPipeline":
    """What of a pipeline is in production; what its configuration makes if nothing is.

    Overrides ask for a variant, whatever is in production.
    """
    from tasks.serving.open_models import ServedPipeline

    decisions = read_decisions(store, config.name) if follow else []
    for number, current in ways_back(decisions)[:1]:
        return ServedPipeline(config.name, current.release, number)
    return ServedPipeline(config.name, release_of(plan_pipeline(config)), None)


def _api_key(variable: str | None) -> SecretStr | None:
    """The key in a variable, which has to be there if it was named."""
    key = os.environ.get(variable or KEY_VARIABLE, "")
    if variable is not None and not key:
        raise UserError(f"--api-key-env {variable}: this environment variable is empty or not set")
    return SecretStr(key) if key else None
