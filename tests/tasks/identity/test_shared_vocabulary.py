"""What the models of a plan share, found before anything is built."""

import subprocess
import sys
from pathlib import Path

import pytest

from memdec_core.errors import UserError
from memdec_core.models.models_config import BaseModelConfig
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.identity.base_model_identity import base_model_identity
from tasks.identity.tokenizer_sharing import (
    SharedVocabulary,
    compare_named,
    plan_vocabulary,
    read_tokenizer,
)
from tasks.jobs.stage_job import StageJob
from tasks.running.preflight import compare_models
from tests.support.artifacts import publish
from tests.support.jobs import make_job
from tests.support.tiny_models import tiny_model_folder, tiny_tokenizer
from tests.support.tokenizer_family import longer_tokenizer


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models `short` (400 tokens), `padded` (the same), `long` (410) and `other` (300)."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model_folder(folder, name="short", vocab_size=400)
    tiny_model_folder(folder, name="padded", vocab_size=448, tokenizer=tiny_tokenizer())
    tiny_model_folder(folder, name="long", vocab_size=512, tokenizer=longer_tokenizer())
    tiny_model_folder(folder, name="other", vocab_size=300)
    return folder


def ref_of(number: int) -> ArtifactRef:
    return ArtifactRef(stage="base_model", fingerprint=f"{number:032d}")


def planned(folder: Path, *names: str) -> list[StageJob]:
    """Jobs that copy these models; the first is number 0."""
    configs = [BaseModelConfig(name=str(folder / name)) for name in names]
    return [
        make_job(
            ref_of(number),
            {"base_model": config.model_dump(mode="json")},
            {},
            identity=base_model_identity(config),
        )
        for number, config in enumerate(configs)
    ]


def test_models_with_one_tokenizer_share_all_of_it_however_they_are_padded(models: Path) -> None:
    assert plan_vocabulary(planned(models, "short")) is None
    assert plan_vocabulary(planned(models, "short", "padded")) is None
    assert plan_vocabulary(planned(models, "long", "long")) is None


@pytest.mark.parametrize(
    ("names", "longer"),
    [
        (("short", "padded", "long"), [2]),
        (("long", "short", "padded"), [0]),
        (("long", "long", "short"), [0, 1]),
    ],
)
def test_the_models_that_have_more_tokens_are_known(
    models: Path, names: tuple[str, ...], longer: list[int]
) -> None:
    expected = SharedVocabulary(size=400, longer=tuple(ref_of(number) for number in longer))
    assert plan_vocabulary(planned(models, *names)) == expected


def test_the_same_tokenizer_in_other_files_shares_all(models: Path, tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    tiny_tokenizer().backend_tokenizer.model.save(str(folder))
    (short,) = planned(models, "short")
    (older,) = planned(folder.parent, folder.name)
    older = older.model_copy(update={"ref": ref_of(1)})
    assert plan_vocabulary([short, older]) is None
    assert read_tokenizer(folder).eos_token_id == 0, "as the configuration says"
    assert not (folder / "tokenizer.json").exists(), "the user's folder is left alone"


def test_incompatible_or_unknown_models_are_left_to_the_check(models: Path) -> None:
    assert plan_vocabulary(planned(models, "short", "other")) is None
    pretrain = {"pretrain": {"corpus": {"documents": ["nowhere"]}, "layers": 2}}
    config = BaseModelConfig.model_validate(pretrain)
    unknown = make_job(ref_of(1), {"base_model": config.model_dump(mode="json")}, {})
    assert plan_vocabulary([*planned(models, "long"), unknown]) is None


def test_planning_with_one_tokenizer_does_not_wait_for_pytorch(models: Path) -> None:
    code = (
        "import sys; from tasks.identity.tokenizer_sharing import plan_vocabulary; "
        "from tasks.jobs.stage_job import StageJob; "
        "jobs = [StageJob.model_validate_json(line) for line in sys.stdin]; "
        "assert plan_vocabulary(jobs) is None; sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(job.model_dump_json() for job in planned(models, "short", "padded")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def published(store: Store, folder: Path, *names: str) -> list[StageJob]:
    """The same jobs, built."""
    jobs = []
    for job, name in zip(planned(folder, *names), names, strict=True):

        def fill(target: Path, source: Path = folder / name) -> None:
            for path in source.iterdir():
                (target / path.name).write_bytes(path.read_bytes())

        ref = publish(store, "base_model", {"all": (fill, {})}, {"name": name})
        jobs.append(job.model_copy(update={"ref": ref}))
    return jobs


def ignore(_fraction: float, _note: str) -> None:
    """No progress."""


def test_the_check_agrees_with_the_plan(store: Store, models: Path) -> None:
    jobs = published(store, models, "long", "short", "padded")
    plan = SharedVocabulary(size=400, longer=(jobs[0].ref,))
    assert plan_vocabulary(jobs) == plan
    compare_models(jobs, plan, store.url, ignore)
    compare_models(jobs[1:], None, store.url, ignore)


def test_what_the_plan_could_not_know_is_refused(store: Store, models: Path) -> None:
    jobs = published(store, models, "long", "short")
    with pytest.raises(UserError, match=r"first 400 ids.*could not be known when.*Run again"):
        compare_models(jobs, None, store.url, ignore)


def test_incompatible_models_are_named(store: Store, models: Path) -> None:
    jobs = published(store, models, "short", "padded", "other")
    message = r"/short \(base_model/\w+\) and \S*/other .*vocabularies differ .*memory\.init"
    with pytest.raises(UserError, match=message):
        compare_models(jobs, None, store.url, ignore)


def test_a_folder_that_is_not_there_is_the_users_mistake(models: Path) -> None:
    assert compare_named(str(models / "short"), str(models / "long")).shared_vocab_size == 400
    with pytest.raises(UserError, match="absent: no such folder; give a model's folder or its hub"):
        compare_named(str(models / "short"), str(models / "absent"))
    with pytest.raises(UserError, match=r"models\d+: .*tokenizer\.json is missing"):
        compare_named(str(models), str(models / "short"))
