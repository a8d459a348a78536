"""What a model folder is, in 16 characters: a continuation is right only on the same weights and tokenizer."""

import hashlib
import os
from pathlib import Path

_WEIGHTS = {".safetensors", ".bin", ".pt", ".gguf"}
_TEXTS = {".json", ".jinja", ".model", ".txt"}
_SAMPLES = 16
_SAMPLE_BYTES = 64 * 1024


def folder_fingerprint(folder: Path) -> str:
    """A hash over the configuration, the tokenizer, the chat template and samples of the weights.

    Weights are sampled evenly: reading a large model whole would add minutes to each start.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _WEIGHTS:
            digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
            _sample(path, digest)
        elif path.suffix in _TEXTS:
            digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sample(path: Path, digest: "hashlib._Hash") -> None:
    with path.open("rb") as file:
        last = max(0, file.seek(0, os.SEEK_END) - _SAMPLE_BYTES)
        for i in range(_SAMPLES):
            file.seek(last * i // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
