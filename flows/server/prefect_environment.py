"""Prefect's settings for a command line: private, patient and quiet."""

import os

_LIBRARIES = {
    "DO_NOT_TRACK": "1",
    # models come from the store; no library may look anything up on its own
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "true",
    # the bars of libraries, drawn by worker processes, would garble ours
    "TQDM_DISABLE": "1",
    # a server that does not answer for a minute, or that its database has left, ends no run
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
}
RUN_ENVIRONMENT = _LIBRARIES | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
"""Of a deployed run; a run whose heartbeats (seconds) stop is found to have crashed."""

_DEFAULTS = _LIBRARIES | {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # a server that stores task runs in small batches locks SQLite under many short tasks
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    # the command shows its own progress; the log stays in the UI
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def has_server() -> bool:
    """Whether a Prefect server is configured, in the environment or in Prefect's profile."""
    from prefect.settings import PREFECT_API_URL  # after `prepare_environment`; takes a second

    return bool(PREFECT_API_URL.value())


def prepare_environment() -> None:
    """Sets what the user has not set: no telemetry, long time-outs, no log on the terminal."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
