"""Whether a run of a deployment goes into production by itself: on a real Prefect server."""

from pathlib import Path

import pytest

from flows.config.pipeline_config import PipelineConfig
from flows.running.trial import differing, why_trial
from flows.server.deployments import deployments_of
from memdec_core.scoring.scoring_config import PromotionConfig
from tasks.jobs.run_settings import RunSettings


def config(**sections: object) -> PipelineConfig:
    content = {"name": "tried", "corpus": {"documents": ["x"]}, "base_model": {"name": "y"}}
    return PipelineConfig.model_validate(content | sections)


def test_a_run_is_a_trial_when_it_is_asked_to_be_or_its_pipeline_never_promotes() -> None:
    never = config(promotion={"automatic": False})
    assert not never.promotion.automatic
    assert PromotionConfig().automatic
    assert why_trial(never, promote=True) == ""
    assert "a trial" in why_trial(config(), promote=False)
    assert "promotion.automatic" in why_trial(never, promote=None)


def test_what_was_changed_is_named_by_its_path() -> None:
    changed = config(training={"epochs": 7}, corpus={"documents": ["x", "y"]}, targets={})
    assert differing(config(), config(targets={})) == []
    assert differing(config(), changed) == ["corpus.documents", "training.epochs"]


@pytest.mark.usefixtures("prefect_server")
def test_a_form_that_was_changed_makes_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why_trial(config(), promote=None) == "", "it was started without a deployment"
    settings = RunSettings(store=str(tmp_path))
    build, *_ = deployments_of([config()], settings, tmp_path, pool=None)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", str(build.apply()))
    assert why_trial(config(), promote=None) == ""
    assert why_trial(config(targets={}), promote=None) == "", "the form says defaults, too"
    said = why_trial(config(training={"epochs": 7}), promote=None)
    assert said == "this run changed training.epochs of its deployment"
    assert why_trial(config(training={"epochs": 7}), promote=True) == ""
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "0" * 8 + "-0000-4000-8000-" + "0" * 12)
    assert "the whole configuration" in why_trial(config(), promote=None), "it is gone"
