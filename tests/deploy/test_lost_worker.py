"""A run whose Prefect worker is killed ends with it, also where it has nothing to log for long."""

from pathlib import Path

import psutil
import pytest

from flows.build_memory import build_memory
from storage.store.artifact_store import Store
from storage.store.verification import verify
from tests.services.running_services import RunningServices, comes_true
from tests.support.short_pipeline import build_parameters, short_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.long]
TRAINING_EPOCHS = 20_000  # hours


@pytest.mark.parametrize("services", ["sqlite"], indirect=True)
def test_a_run_ends_with_its_worker_in_the_middle_of_a_training(
    services: RunningServices, tmp_path: Path
) -> None:
    config = short_pipeline(tmp_path / "pipeline", epochs=TRAINING_EPOCHS)
    store = Store.open(str(tmp_path / "store"))
    run = services.start_run(build_memory, build_parameters(config, store))
    assert comes_true(lambda: any(ref.stage == "memory" for ref in store.known()), 200)
    flow = services.flow_process(run)
    processes = [flow, *flow.children(recursive=True)]

    services.process("worker").kill()
    _, left = psutil.wait_procs(processes, timeout=60)
    assert left == []
    state = services.wait_until_ended(run, 10).state
    assert state is not None
    assert state.is_crashed(), state
    assert verify(store).damaged == []
    assert not list((tmp_path / "store").glob("artifacts/*/*/lease/*")), "it ended in good order"
