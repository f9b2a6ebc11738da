"""The text that a token stands for, whatever way its vocabulary spells it.

Byte-level vocabularies (GPT-2, Qwen, Llama 3) spell " word" as "Ġword" and every byte as some
letter; those of sentencepiece (Llama 2, Mistral, Gemma) spell it "▁word" and a byte they have no
piece for as "<0x0A>". Both stand for the same bytes.
"""

import json
import re

from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

TokenText = bytes | str
"""The bytes of a token's text; a special token, which stands for no text, keeps its name."""

_LETTERS: dict[int, str] = bytes_to_unicode()  # type: ignore[no-untyped-call]
_BYTES = {letter: byte for byte, letter in _LETTERS.items()}
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "▁"


class TokenSpelling:
    """Reads and spells texts in the tokens of one vocabulary.

    Attributes:
        texts: What each token stands for, by id, in the order of the ids (which may have gaps).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        backend = tokenizer.backend_tokenizer
        state = json.loads(backend.to_str())
        steps = json.dumps([state["pre_tokenizer"], state["decoder"]])
        self._byte_level = '"ByteLevel"' in steps
        self._model = backend.model
        added = backend.get_added_tokens_decoder()
        self.texts: dict[int, TokenText] = {}
        for token, token_id in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
            if token_id not in added:
                self.texts[token_id] = self._read(token)
            elif added[token_id].special:
                self.texts[token_id] = token
            else:
                self.texts[token_id] = token.encode()
        self._byte_ids = {
            int(piece[1], 16): token_id
            for token, token_id in tokenizer.get_vocab().items()
            if (piece := _BYTE_PIECE.fullmatch(token))
        }

    def pieces(self, text: bytes) -> list[int]:
        """Ids of the tokens that the tokenizer's model (BPE, unigram) cuts a text into.

        Nothing is normalised, and no space is put in front. What the vocabulary cannot spell is
        left out.
        """
        if self._byte_level:
            spelled = "".join(_LETTERS[byte] for byte in text)
        else:
            try:
                spelled = text.decode().replace(" ", _SPACE)
            except UnicodeDecodeError:  # a part of a character, which only byte pieces spell
                return [self._byte_ids[byte] for byte in text if byte in self._byte_ids]
        found = [token.id for token in self._model.tokenize(spelled)]
        return [token_id for token_id in found if isinstance(self.texts[token_id], bytes)]

    def _read(self, token: str) -> bytes:
        if self._byte_level and all(letter in _BYTES for letter in token):
            return bytes(_BYTES[letter] for letter in token)
        if byte := _BYTE_PIECE.fullmatch(token):
            return bytes([int(byte[1], 16)])
        return token.replace(_SPACE, " ").encode()
