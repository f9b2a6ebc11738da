"""What training leaves behind: a model folder, its loss curves as a table and as a picture."""

from pydantic import JsonValue
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from memdec_core.plots.build_plots import loss_curves_png
from memdec_core.training.trainer import TrainResult
from storage.formats.data_file import ShardFolder
from storage.formats.row_tables import LOSS_CURVES


def write_trained_model(
    shard: ShardFolder,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    result: TrainResult,
) -> dict[str, JsonValue]:
    """Writes a Hugging Face folder with curves.parquet and curves.png beside the weights.

    Returns:
        Figures of the training for the manifest.
    """
    model.save_pretrained(shard.folder)
    tokenizer.save_pretrained(shard.folder)
    LOSS_CURVES.write(shard, [point.model_dump() for point in result.curve])
    picture = loss_curves_png(result.curve, result.best_step)
    (shard.folder / "curves.png").write_bytes(picture)
    return {
        "steps": result.steps,
        "best_step": result.best_step,
        "stopped_early": result.stopped_early,
        "positions_trained": result.positions,
        "parameters": model.num_parameters(),
        **_losses(result),
    }


def _losses(result: TrainResult) -> dict[str, JsonValue]:
    """Last training losses, and validation losses of the weights that were kept."""
    figures: dict[str, JsonValue] = {}
    trained = [point for point in result.curve if point.split == "train"]
    kept = [p for p in result.curve if p.split == "valid" and p.step == result.best_step]
    for points, prefix in ((trained[-1:], "last_train"), (kept, "valid")):
        for point in points:
            for name, value in point.means._asdict().items():
                figures[f"{prefix}_{name}"] = value
    return figures
