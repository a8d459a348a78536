"""The bytes of a token: of its text, or of its part of a character."""

import re
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # how byte fallback names a byte
_SPACE = "\u2581"  # how SentencePiece writes a space


class Spelling:
    """Spells the tokens of one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.all_special_ids) | frozenset(tokenizer.get_added_vocab().values())
        self._bytes = (
            {char: bytes([byte]) for byte, char in bytes_to_unicode().items()} if _is_byte_level(tokenizer) else None
        )

    def token_bytes(self, token: int) -> bytes:
        """What a token adds to the text; of a special one, its name."""
        name = str(self._tokenizer.convert_ids_to_tokens(token))
        if token in self._special:
            return name.encode()
        if self._bytes:
            return b"".join([self._bytes.get(char) or char.encode() for char in name])
        byte = _BYTE.fullmatch(name)
        return bytes.fromhex(byte[1]) if byte else name.replace(_SPACE, " ").encode()


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and "ByteLevel" in repr(backend.decoder)
