"""Exports a base and its memory as a folder that transformers loads and the hub takes."""

import json
from pathlib import Path

from pydantic import JsonValue
from transformers import PreTrainedTokenizerFast

from memdec_core.joint import JointForCausalLM
from memdec_core.models.model_loading import load_model
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.published_folder import check_destination, published_folder
from tasks.inputs.open_datastore import open_router
from tasks.jobs.software import software_versions
from tasks.pages.lineage import trace
from tasks.use.exported_facts import ExportedFacts, ExportedPipeline, exported_facts
from tasks.use.model_card import model_card
from tasks.use.opened_models import model_folder, shared_ids

PROVENANCE = "provenance.json"
MOST_SHARD_BYTES = "5GB"
CODE_FILE = "modeling_memdec.py"
CODE = '''"""The model's code is memdec's; this file only says so to transformers."""

try:
    from memdec_core.joint import JointConfig, JointForCausalLM
except ImportError as error:
    raise ImportError(
        "this model is a base with a Memory Decoder and runs with memdec: install memdec "
        "{version} or newer"
    ) from error

__all__ = ["JointConfig", "JointForCausalLM"]
'''


def export_joint(
    store: Store,
    pipeline: ExportedPipeline,
    destination: Path,
    base_name: str | None,
    alpha: float | None,
) -> dict[str, JsonValue]:
    """Writes the folder, whole or not at all; an earlier export there is replaced.

    Args:
        store: Where the pipeline's artifacts are.
        pipeline: A finished pipeline.
        destination: The folder, missing, empty or an earlier export.
        base_name: Which base, as the evaluation's table calls it; the first if None.
        alpha: Weight of the memory; the tuned one if None.

    Returns:
        folder, pipeline, base, alpha, and the bytes of every file.

    Raises:
        UserError: The pipeline has no finished run, or no such base.
        StorageError: The folder holds something else, or the store could not be read.
    """
    facts = exported_facts(store, pipeline, base_name, alpha)
    check_destination(destination, PROVENANCE)  # before the models are read
    with published_folder(destination, PROVENANCE) as folder:
        _write_model(store, facts, folder)
        code = CODE.replace("{version}", software_versions()["memdec"])
        (folder / CODE_FILE).write_text(code, encoding="utf-8")
        card = model_card(facts, destination.resolve().name)
        (folder / "README.md").write_text(card, encoding="utf-8")
        (folder / PROVENANCE).write_text(json.dumps(_provenance(store, facts)), encoding="utf-8")
    return {
        "folder": str(destination),
        "pipeline": pipeline.name,
        "base": facts.base_name,
        "alpha": facts.alpha,
        "files": {path.name: path.stat().st_size for path in sorted(destination.iterdir())},
    }


def _write_model(store: Store, facts: ExportedFacts, folder: Path) -> None:
    """Weights in the types that they are stored in, configuration and tokenizer."""
    base, memory = (model_folder(store, ref) for ref in (facts.base, facts.pipeline.memory))
    ids = shared_ids(base, memory)
    joint = JointForCausalLM.from_models(
        load_model(base, dtype="auto"),
        {facts.pipeline.name: load_model(memory, dtype="auto")},
        {facts.pipeline.name: facts.alpha},
        ids.vocab_size,
        None if facts.router is None else open_router(store, facts.router),
    )
    for part, name in zip(joint.parts, (facts.hub_model or "", ""), strict=True):
        part.config._name_or_path = name  # where it lay is nobody's business
    module = CODE_FILE.removesuffix(".py")
    joint.config.auto_map = {
        "AutoConfig": f"{module}.JointConfig",
        "AutoModelForCausalLM": f"{module}.JointForCausalLM",
    }
    joint.save_pretrained(folder, max_shard_size=MOST_SHARD_BYTES)
    for weights in folder.glob("*.safetensors"):  # which nobody else could read
        weights.chmod((folder / "config.json").stat().st_mode)
    _write_tokenizer(ids.tokenizer, folder)


def _write_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The tokenizer, which gives a model of several kinds nothing that only one of them knows."""
    settings = tokenizer.init_kwargs
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    for place in ("name_or_path", "is_local", "local_files_only"):
        settings.pop(place, None)
    tokenizer.save_pretrained(folder)


def _provenance(store: Store, facts: ExportedFacts) -> dict[str, JsonValue]:
    """All artifacts that the model and the tables were made from, and the software."""
    pipeline = facts.pipeline
    ends = [pipeline.report, *([facts.comparison] if facts.comparison else [])]
    lineage = trace(ends, store.require)
    return {
        "pipeline": pipeline.name,
        "base": _whole(facts.base),
        "base_name": facts.base_name,
        "memory": _whole(pipeline.memory),
        "alpha": facts.alpha,
        "tuned_alpha": facts.tuned_alpha,
        "software": {**software_versions()},
        "artifacts": {
            _whole(ref): {
                "inputs": {role: _whole(read) for role, read in manifest.inputs.items()},
                "created": manifest.created,
                "git_commit": manifest.git_commit,
                "software": {**manifest.software},
            }
            for ref, manifest in sorted(lineage.items(), key=lambda item: str(item[0]))
        },
    }


def _whole(ref: ArtifactRef) -> str:
    return f"{ref.stage}/{ref.fingerprint}"
