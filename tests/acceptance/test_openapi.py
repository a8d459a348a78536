"""Whatever a client sends to any operation of the OpenAPI document, it gets an answer that the document has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.openapi.things import ADDRESS
from tests.servers import ServerProcess

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests" / "acceptance" / "openapi" / "schemathesis.toml"
EXAMPLES = 100  # of each operation


@pytest.mark.timeout(600)
def test_every_answer_is_as_the_document_says(monolith: ServerProcess) -> None:
    document = f"{monolith.url}/openapi.json"
    run = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", CONFIG, "run", document],
        env={**os.environ, ADDRESS: monolith.url, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    operations = sum(len(path) for path in httpx.get(document).json()["paths"].values())
    generated = re.search(r"([\d,]+) generated", run.stdout)
    assert generated is not None, run.stdout
    assert int(generated[1].replace(",", "")) >= EXAMPLES * operations
