"""What batches cost: 50 000 lines on the scripted engine, and 500 on a real model beside `ray.data.llm`.

Each part is a benchmark of its own, in a process of its own, one after the other; see their modules.
"""

import json
from typing import Any

from benchmarks.parts import run


def result(scripted: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """All figures."""
    return {**scripted, **model}


def main() -> None:
    """Print what the parts print, then the result."""
    print(json.dumps(result(run("scripted_batch"), run("model_batch"))))


if __name__ == "__main__":
    main()
