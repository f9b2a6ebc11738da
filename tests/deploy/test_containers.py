"""The container files agree with the script, the lock file and the commands there are."""

import re
import tomllib
from typing import Any

import yaml
from dotenv import dotenv_values
from prefect.cli._app import _app as prefect
from prefect.settings import get_current_settings
from typer.main import get_command

from flows.commands.command import app
from flows.server.prefect_environment import _DEFAULTS
from tests.services.command_line import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("server", "worker", "inference")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = dotenv_values(ROOT / "deploy" / "prefect.env")


def test_every_service_is_checked_for_health_and_started_again() -> None:
    assert set(SERVICES) == {"database", *OURS}
    for name, service in SERVICES.items():
        assert "test" in service["healthcheck"], name
        assert service["restart"] == "unless-stopped", name


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "ports" not in SERVICES["database"]


def test_no_secret_is_written_down_and_the_database_has_no_default_password() -> None:
    secrets = {
        f"{name} {variable}": value
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
        if re.search("PASSWORD|KEY|TOKEN", variable)
    }
    assert len(secrets) == 3
    for name, value in secrets.items():
        assert re.fullmatch(r"\$\{[A-Z_]+:(-|\?[^}]+)\}", value), name
    assert not [name for name in SETTINGS if re.search("PASSWORD|KEY|TOKEN|URL", name)]


def test_the_services_have_the_settings_of_the_script() -> None:
    for name in OURS:
        assert SERVICES[name]["env_file"] == ["deploy/prefect.env"]
    assert '"deploy/prefect.env"' in (ROOT / "deploy" / "services.py").read_text()
    for name in SETTINGS.keys() & _DEFAULTS.keys():
        assert SETTINGS[name] == _DEFAULTS[name], f"{name} differs from what the command sets"


def test_the_settings_are_ones_that_prefect_has() -> None:
    known = get_current_settings().to_environment_variables()
    unknown = [name for name in SETTINGS if name.startswith("PREFECT_") and name not in known]
    assert unknown == []


def test_the_services_commands_exist_with_the_options_they_are_given() -> None:
    programs = {name: SERVICES[name]["command"][0] for name in OURS}
    assert programs == {"server": "prefect", "worker": "prefect", "inference": "memdec"}
    for name in ("server", "worker"):
        prefect.parse_args(SERVICES[name]["command"][1:], exit_on_error=False, print_error=False)
    _, subcommand, *arguments = SERVICES["inference"]["command"]
    memdec = get_command(app)
    memdec.commands[subcommand].make_context(subcommand, arguments)  # parses, and runs nothing


def test_the_image_installs_what_memdec_imports_in_the_versions_of_the_lock() -> None:
    assert DOCKERFILE.count("--constraint requirements.lock") == DOCKERFILE.count("pip install")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    names = [re.split(r"[<>=]", dependency)[0] for dependency in project["dependencies"]]
    assert set(names) <= set(locked)
    assert "asyncpg" in locked, "Prefect's server reaches PostgreSQL by it"


def test_the_image_is_of_the_python_that_memdec_asks_for_and_does_not_run_as_root() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version = project["requires-python"].removeprefix(">=")
    assert f"ARG PYTHON_IMAGE=python:{version}-slim" in DOCKERFILE
    assert re.search(r"^USER [1-9][0-9]*$", DOCKERFILE, re.MULTILINE)
    assert COMPOSE["x-memdec"]["image"].endswith(f":-{project['version']}}}")


def test_what_the_image_is_made_of_is_not_ignored() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert sources == allowed
    assert all((ROOT / source).exists() for source in sources)
