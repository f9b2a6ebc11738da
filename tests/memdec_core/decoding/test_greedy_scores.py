"""The baselines' greedy tokens are those of their own distributions at the scored positions."""

import faiss
import numpy as np
import torch
from torch import Tensor

from memdec_core.decoding.continuation_scoring import greedy_scores
from memdec_core.models.language_model import TransformerLM, token_log_probs
from memdec_core.search.neighbour_search import Datastore
from memdec_core.systems.knn_lm import KnnLM
from memdec_core.systems.passage_retrieval import PassageIndex
from memdec_core.systems.retrieval_config import RetrievalConfig
from memdec_core.systems.retrieval_lm import RetrievalLM
from tests.oracles.embeddings_oracle import full_forward_keys
from tests.oracles.knn_oracle import array_blocks
from tests.oracles.retrieval_oracle import retrieval_log_prob
from tests.support.tiny_models import tiny_model

VOCAB = 390


def some_tokens(lm: TransformerLM, seed: int = 5) -> tuple[Tensor, Tensor]:
    """Three texts, half of whose scored tokens are what the base itself would take."""
    generator = torch.Generator().manual_seed(seed)
    tokens_BT = torch.randint(VOCAB, (3, 24), generator=generator)
    scored_BT = torch.zeros(3, 24, dtype=torch.bool)
    scored_BT[0, 20:] = scored_BT[1, 9:17] = scored_BT[2, 1:6] = True
    for row, column in scored_BT.nonzero()[::2].tolist():
        tokens_BT[row, column] = lm.log_probs(tokens_BT[row : row + 1, :column])[0, -1].argmax()
    return tokens_BT, scored_BT


def make_knn_lm(logit_bytes: int) -> KnnLM:
    model = tiny_model("gpt2", vocab_size=400)
    texts = torch.randint(VOCAB, (6, 50), generator=torch.Generator().manual_seed(1)).tolist()
    keys = np.concatenate([full_forward_keys(model, text) for text in texts]).astype(np.float16)
    values = np.random.default_rng(3).integers(0, 15, len(keys)).astype(np.uint32)
    index = faiss.IndexFlatL2(keys.shape[1])
    index.add(keys.astype(np.float32))
    datastore = Datastore(index, lambda: array_blocks(keys))
    base = TransformerLM(model, VOCAB, logit_bytes=logit_bytes)
    return KnnLM(base, datastore, values, k=12, tau=4.0, weight=0.004)


def test_knn_lm_scores_are_its_own_whatever_the_chunks() -> None:
    for logit_bytes in (10**7, 3 * 4 * VOCAB):
        lm = make_knn_lm(logit_bytes)
        tokens_BT, scored_BT = some_tokens(lm.base)
        scores_P2 = greedy_scores(lm, tokens_BT, scored_BT)
        expected_P = token_log_probs(lm, tokens_BT, scored_BT)
        torch.testing.assert_close(scores_P2[:, 0], expected_P, atol=1e-5, rtol=0)
        greedy_BT = lm.log_probs(tokens_BT).argmax(-1)
        taken_P = (greedy_BT[:, :-1] == tokens_BT[:, 1:])[scored_BT[:, 1:]]
        assert torch.equal(scores_P2[:, 1].bool(), taken_P)
        without_P = (lm.base.log_probs(tokens_BT).argmax(-1)[:, :-1] == tokens_BT[:, 1:])[
            scored_BT[:, 1:]
        ]
        assert taken_P.any()
        assert not torch.equal(taken_P, without_P), "the neighbours change what is greedy"


def test_retrieval_searches_where_the_scored_tokens_begin() -> None:
    config = RetrievalConfig(query_tokens=8, stride=4, passage_tokens=20)
    generator = np.random.default_rng(2)
    passages = [generator.integers(VOCAB, size=20) for _ in range(60)]
    base = TransformerLM(tiny_model("gpt2", context_length=64), VOCAB)
    index = PassageIndex.build(passages, config)
    lm = RetrievalLM(base, index, passages.__getitem__, config, batch_tokens=300)
    tokens_BT, scored_BT = some_tokens(base)
    firsts_B = scored_BT.int().argmax(dim=1)

    def distribution(row: int, column: int) -> np.ndarray:
        return retrieval_log_prob(
            base.model, passages, tokens_BT[row].numpy(), column, int(firsts_B[row]), config
        )[:VOCAB]

    for row, column in scored_BT.nonzero()[1::3].tolist():  # some that retrieval makes greedy
        tokens_BT[row, column] = int(distribution(row, column).argmax())
    scores_P2 = greedy_scores(lm, tokens_BT, scored_BT)
    expected_PV = np.stack([distribution(*place) for place in scored_BT.nonzero().tolist()])
    expected_PV -= np.logaddexp.reduce(expected_PV, axis=1, keepdims=True)
    wanted_P = tokens_BT[scored_BT].numpy()
    expected_P = expected_PV[np.arange(len(wanted_P)), wanted_P]
    np.testing.assert_allclose(scores_P2[:, 0], expected_P, atol=1e-5, rtol=0)
    taken_P = expected_PV.argmax(axis=1) == wanted_P
    np.testing.assert_array_equal(scores_P2[:, 1], taken_P)
    assert set(taken_P.tolist()) == {True, False}
