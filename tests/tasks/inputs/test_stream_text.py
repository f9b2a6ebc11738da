"""Places of a token stream, against the documents it was made from."""

from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from memdec_core.text.text_config import TokensConfig
from memdec_core.text.tokenization import encode_documents
from storage.formats.token_shards import read_document_ids, write_token_shard
from storage.objects.store_errors import DamagedArtifact
from storage.store.artifact_store import Store
from tasks.inputs.stream_text import StreamText
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.tiny_models import tiny_sentencepiece_tokenizer, tiny_tokenizer

SHARDS = {
    "train-00000": ["the memory of a small model\n", "", "naïve café – 中文字 🙂 and more text"],
    "train-00001": ["def memory(x): return x + 1", "  what follows, follows  "],
    "test-00000": ["every token is predicted once"],
}
END = "<|endoftext|>"


def open_text(store: Store, tokenizer: PreTrainedTokenizerFast, separator: str) -> StreamText:
    config = TokensConfig.model_validate({"separator": separator})

    def fill(texts: list[str], name: str) -> Fill:
        (encoded,) = encode_documents(tokenizer, texts, config)
        ids = [f"{name}/{number}" for number in range(len(texts))]
        return lambda folder: write_token_shard(as_shard(folder), ids, *encoded)

    shards = {name: (fill(texts, name), {}) for name, texts in SHARDS.items()}
    return StreamText(store.readers(publish(store, "tokens", shards)), "train", tokenizer)


def sources() -> dict[str, str]:
    """The training documents by id, in the order of the stream."""
    return {
        f"{name}/{number}": text
        for name, texts in SHARDS.items()
        for number, text in enumerate(texts)
        if name.startswith("train")
    }


@pytest.mark.parametrize("separator", ["eos", "none"])
def test_every_token_is_found_where_its_document_has_it(store: Store, separator: str) -> None:
    text = open_text(store, tiny_tokenizer(), separator)
    counts = dict.fromkeys(sources(), 0)
    for position in range(text.tokens.n_tokens):
        place = text.place(position)
        source = sources()[place.document]
        assert place.token_offset == counts[place.document]
        counts[place.document] += 1
        marked = text.around(position, 1000, 1000, "document")
        assert "".join(marked) == source + (END if separator == "eos" else "")
        assert marked.before == source[: place.character_offset]
        assert marked.token
        if marked.token != END:
            assert source[place.character_offset :].startswith(marked.token)
    assert sum(counts.values()) == text.tokens.n_tokens
    if separator == "eos":
        assert min(counts.values()) == 1


def test_little_text_around_a_token_ends_with_its_document(store: Store) -> None:
    text = open_text(store, tiny_tokenizer(), "eos")
    first = int(text.tokens.offsets_D1[3])
    assert text.place(first) == ("train-00001/0", 0, 0)
    in_document = text.around(first, 3, 0, "document")
    assert (in_document.before, in_document.after) == ("", "")
    in_stream = text.around(first, 3, 0, "stream")
    assert in_stream == (text.text(first - 3, first), in_document.token, "")
    assert in_stream.before == f"xt{END}"


def test_text_is_cut_to_the_tokens_asked_for(store: Store) -> None:
    text = open_text(store, tiny_tokenizer(), "none")
    marked = text.around(5, 2, 1, "document")
    assert marked == (text.text(3, 5), text.text(5, 6), text.text(6, 7))


def test_spaces_stay_with_a_tokenizer_whose_pieces_hold_them(store: Store) -> None:
    text = open_text(store, tiny_sentencepiece_tokenizer(), "none")
    for position in range(text.tokens.n_tokens):
        marked = text.around(position, 1000, 1000, "document")
        assert "".join(marked).strip() == sources()[text.place(position).document].strip()
        assert marked.token


def test_ids_of_documents_are_read_in_any_order(store: Store) -> None:
    open_text(store, tiny_tokenizer(), "none")
    (ref,) = store.artifacts()
    readers, names = store.readers(ref), list(sources())
    assert read_document_ids(readers, "train", [4, 0, 3, 0]) == [names[i] for i in (4, 0, 3, 0)]
    assert read_document_ids(readers, "test", [0]) == ["test-00000/0"]


def test_a_damaged_table_of_documents_is_named(store: Store) -> None:
    def fill(folder: Path) -> None:
        write_token_shard(as_shard(folder), ["a"], np.ones(1, np.uint16), np.ones(1, np.int64))
        (folder / "documents.parquet").write_bytes(b"not a table")

    readers = store.readers(publish(store, "tokens", {"train-00000": (fill, {})}))
    with pytest.raises(DamagedArtifact, match=r"documents\.parquet: .*--force tokens"):
        read_document_ids(readers, "train", [0])
