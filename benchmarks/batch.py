"""What batches cost: 50 000 lines on the scripted engine, and 500 on a real model beside `ray.data.llm`.

Each part is a benchmark of its own, in a process of its own, one after the other; see their modules.
"""

import json

from benchmarks.parts import run


def main() -> None:
    """Print what the parts print, then the result: all figures of both."""
    print(json.dumps(run("scripted_batch") | run("model_batch")))


if __name__ == "__main__":
    main()
