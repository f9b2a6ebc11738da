"""Whether two memories count the same tokens, without which their perplexities mean nothing."""

from memdec_core.model_loading import load_tokenizer
from memdec_core.tokenizer_match import explain_difference
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store


def tokenizer_difference(store: Store, new_memory: ArtifactRef, old_memory: ArtifactRef) -> str:
    """In words how the tokenizers of two memories differ; empty where they do not.

    Raises:
        MissingArtifact: A memory is not in the store.
        UserError: A tokenizer cannot be read.
    """
    new, old = (
        load_tokenizer(store.readers(store.require(ref).ref)["all"].folder())
        for ref in (new_memory, old_memory)
    )
    return explain_difference(new, old) or ""
