"""Whether two memories count the same tokens, without which their perplexities mean nothing."""

from storage.models.model_folder import tokenizer_digest
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


def tokenizer_difference(store: Store, new_memory: ArtifactRef, old_memory: ArtifactRef) -> str:
    """In words how the tokenizers of two memories differ; empty where they do not.

    Raises:
        MissingArtifact: A memory is not in the store.
        UserError: A tokenizer cannot be read.
    """
    folders = [
        store.readers(store.require(ref).ref)["all"].folder() for ref in (new_memory, old_memory)
    ]
    if len({tokenizer_digest(folder) for folder in folders}) == 1:
        return ""
    from memdec_core.text.tokenizer_loading import load_tokenizer  # PyTorch takes seconds to import
    from memdec_core.text.tokenizer_match import explain_difference

    new, old = map(load_tokenizer, folders)
    return explain_difference(new, old) or ""
