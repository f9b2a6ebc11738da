"""The position after a prompt: its neighbours in the datastore, and what each system says there."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from memdec_core.decoding.decoders import TransformerDecoder
from memdec_core.models.key_model import KeyModel
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import mix_log_probs
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.models.models_config import EmbeddingsConfig
from memdec_core.search.neighbour_search import search_unseen
from memdec_core.targets.explanation import (
    Distributions,
    WeighedNeighbours,
    knn_probabilities,
    weigh_neighbours,
)
from memdec_core.targets.targets_config import TargetsConfig
from memdec_core.windows.window_batches import WindowBatch
from memdec_core.windows.windows import WindowConfig
from storage.formats.embedding_zarr import EmbeddingReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.inputs.open_datastore import open_datastore
from tasks.jobs.stage_job import StageJob
from tasks.use.opened_models import model_folder

DATASTORE = "train"


@dataclass(frozen=True)
class ExplainedPipeline:
    """What an explanation reads.

    Attributes:
        embeddings: The job of the datastore's keys, made from tokens and a base model.
        targets: The job of the targets, which has k and τ and reads the index.
        memory: The memory.
        base: The base model that the memory is mixed with.
        alpha: Weight of the memory in the mixture, 0 to 1.
    """

    embeddings: StageJob
    targets: StageJob
    memory: ArtifactRef
    base: ArtifactRef
    alpha: float

    @property
    def windows(self) -> WindowConfig:
        """How the datastore's text was cut."""
        return WindowConfig.model_validate(self.embeddings.config["windows"])

    @property
    def search(self) -> TargetsConfig:
        """How many neighbours count, and at which temperature."""
        return TargetsConfig.model_validate(self.targets.config["targets"])

    @property
    def tokens(self) -> ArtifactRef:
        """The text of the datastore."""
        return self.embeddings.inputs["tokens"]

    @property
    def key_model(self) -> ArtifactRef:
        """The base model whose hidden states are the datastore's keys."""
        return self.embeddings.inputs["base_model"]

    def require(self, store: Store) -> None:
        """Checks that everything is there.

        Raises:
            MissingArtifact: Something is not.
        """
        read = (self.key_model, self.tokens, self.embeddings.ref, self.targets.inputs["index"])
        for ref in (*read, self.memory, self.base):
            store.require(ref)


class ExplainedPosition:
    """The position after a prompt.

    Args:
        store: Where the artifacts are.
        pipeline: Which they are.
        prompt: Token ids before the position, at least one and fewer than the windows hold.
        vocab_size: Number of ids that all models share.
        device: `auto`, `cpu` or `cuda`.

    Attributes:
        embeddings: The datastore's rows.
        neighbours: The prompt's, weighed at the pipeline's τ.
        distributions: What each system says about the next token.

    Raises:
        UserError: A model does not fit.
        StorageError: An artifact could not be read.
    """

    def __init__(
        self,
        store: Store,
        pipeline: ExplainedPipeline,
        prompt: list[int],
        vocab_size: int,
        device: Literal["auto", "cpu", "cuda"],
    ) -> None:
        where = resolve_device(device)
        refs = dict.fromkeys((pipeline.key_model, pipeline.memory, pipeline.base))
        models = {ref: load_model(model_folder(store, ref), where) for ref in refs}
        self.embeddings = EmbeddingReader(store.readers(pipeline.embeddings.ref), DATASTORE)
        key_1D = _key_of(models[pipeline.key_model], pipeline.embeddings, prompt)
        self.neighbours = self._search(store, pipeline, key_1D)

        def ask(ref: ArtifactRef) -> torch.Tensor:
            return TransformerDecoder(TransformerLM(models[ref], vocab_size)).feed(prompt)

        memory_V, base_V = ask(pipeline.memory), ask(pipeline.base)
        joint_V = mix_log_probs(base_V, memory_V, pipeline.alpha)
        said = (log_probs_V.double().exp().numpy() for log_probs_V in (memory_V, base_V, joint_V))
        self.distributions = Distributions(knn_probabilities(self.neighbours, vocab_size), *said)

    def _search(
        self, store: Store, pipeline: ExplainedPipeline, key_1D: NDArray[np.float16]
    ) -> WeighedNeighbours:
        index = store.only(pipeline.targets.inputs["index"])
        datastore = open_datastore(index, self.embeddings)
        found = search_unseen(datastore, key_1D, pipeline.search.k)
        return weigh_neighbours(found, self.embeddings.next_tokens(), pipeline.search.tau)


def _key_of(model: PreTrainedModel, embeddings: StageJob, prompt: list[int]) -> NDArray[np.float16]:
    """The key of the prompt's last token, as the datastore would hold it, float16 (1, D)."""
    config = EmbeddingsConfig.model_validate(embeddings.config["embeddings"])
    last = WindowBatch(np.array([prompt]), np.array([len(prompt) - 1]), np.array([0]))
    return KeyModel(model, config.compute_dtype).launch(last).collect()
