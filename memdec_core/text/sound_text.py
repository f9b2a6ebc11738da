"""Texts that people type or send: whether every character of them can be encoded."""

from memdec_core.errors import UserError


def sound_text(text: str, what: str) -> str:
    """Returns a text that UTF-8 can encode.

    Python keeps bytes that were no UTF-8, and halves of surrogate pairs, as characters of their own
    that no tokenizer takes.

    Args:
        text: What somebody gave.
        what: Where, for the message.

    Raises:
        UserError: It holds such a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{what}: character {error.start + 1} is not valid Unicode "
            f"(U+{ord(text[error.start]):04X}); give the text as UTF-8"
        ) from None
    return text
