"""student: a memory of another tokenizer family takes the base model's vocabulary."""

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.models_config import FromMemoryConfig
from memdec_core.models.vocabulary_transfer import transfer_vocabulary
from memdec_core.text.tokenizer_compatibility import compare_tokenizers
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from memdec_core.windows.windows import WindowConfig
from tasks.inputs.domain_training import load_learner
from tasks.jobs.stage_work import ShardRun, StageWork


def transfer_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Keeps a memory's body and makes embeddings and head for the base model's tokenizer.

    Args:
        run: Shard `all`; config sections `student` and `windows` (only to refuse what could not be
            trained on); inputs memory, base_model.

    Returns:
        Sizes of the two vocabularies, how many rows were copied, averaged and drawn, parameters.

    Raises:
        UserError: The memory has the base model's tokenizer already, or sees fewer tokens than the
            windows have.
    """
    config = run.config(FromMemoryConfig)
    windows = run.config(WindowConfig)
    base = run.only("base_model").folder()
    tokenizer = load_tokenizer(base)
    run.report(0.0, f"loading {config.name}")
    model, old, old_size = load_learner(run, "memory", windows)
    if compare_tokenizers(old, tokenizer).difference is None:
        raise UserError(
            f"config.memory.from_memory: {config.name} shares the tokenizer of "
            "config.base_model already, so that its embeddings and head can stay; start from it "
            "as it is, with config.memory.init.name in place of config.memory.from_memory"
        )
    run.report(0.1, "making embeddings and head")
    rows = transfer_vocabulary(model, old, tokenizer, config.embeddings, config.seed)
    model.save_pretrained(run.writer.folder)
    tokenizer.save_pretrained(run.writer.folder)
    return {
        "old_vocab_size": old_size,
        "vocab_size": real_vocab_size(tokenizer),
        **{f"{way}_rows": count for way, count in rows._asdict().items()},
        "parameters": model.num_parameters(),
    }


WORK = StageWork(transfer_shard)
