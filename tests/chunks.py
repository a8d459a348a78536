"""Tables of chunks as an index takes them."""

from collections.abc import Sequence

import pyarrow as pa

from tests.encoders import DIMENSIONS, vector_of


def chunk_table(attachment: str, texts: Sequence[str], *, file: str = "file-1") -> pa.Table:
    """One attachment with these texts."""
    return pa.table(
        {
            "attachment": [attachment] * len(texts),
            "file": [file] * len(texts),
            "ordinal": pa.array(range(len(texts)), pa.int32()),
            "start": pa.array([0] * len(texts), pa.int32()),
            "end": pa.array([len(text) for text in texts], pa.int32()),
            "text": list(texts),
            "vector": pa.array([vector_of(text) for text in texts], pa.list_(pa.float32(), DIMENSIONS)),
        }
    )
