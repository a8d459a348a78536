"""`python -m tests.simulation --seeds n --from k`: runs seeds, then the planted bugs, and prints one JSON object."""

import argparse
import json
import sys
import time

from tests.simulation.planted import PLANTED
from tests.simulation.runner import find_all, run_seeds
from tests.simulation.seed import run_seed

MOST_SEEDS_PER_BUG = 1000
SHOWN = 3  # violations of one seed


def main() -> int:
    """0 where no seed breaks a rule and every planted bug is found."""
    arguments = _arguments()
    if arguments.trace:
        sys.stdout.write("\n".join(run_seed(arguments.first).trace.lines()) + "\n")
    started = time.perf_counter()
    failed = 0
    for seed, violations in run_seeds(range(arguments.first, arguments.first + arguments.seeds), jobs=arguments.jobs):
        failed += 1
        _tell(f"seed {seed}: python -m tests.simulation --seeds 1 --from {seed} --trace --no-planted")
        for violation in violations[:SHOWN]:
            _tell(f"  {violation.kind}: {violation.detail}")
    took = time.perf_counter() - started
    found = {} if arguments.no_planted else _planted(arguments.first, arguments.jobs)
    missed = [] if arguments.no_planted else sorted(PLANTED.keys() - found.keys())
    summary = {
        "seeds": arguments.seeds,
        "violations": failed,
        "planted": 0 if arguments.no_planted else len(PLANTED),
        "planted_found": len(found),
        "planted_at": found,
        "seeds_per_second": round(arguments.seeds / took, 1),
    }
    _tell(json.dumps(summary))
    return 1 if failed or missed else 0


def _planted(first: int, jobs: int) -> dict[str, int]:
    """By bug, the seed that found it for its own reason."""
    found = {}
    for name, seed in find_all(PLANTED, range(first, first + MOST_SEEDS_PER_BUG), jobs=jobs):
        kind = PLANTED[name].kind
        _tell(f"planted {name}: " + ("not found" if seed is None else f"found as '{kind}' by seed {seed}"))
        if seed is not None:
            found[name] = seed
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trace", action="store_true", help="print the trace of the first seed")
    parser.add_argument("--no-planted", action="store_true", help="leave the planted bugs out")
    return parser.parse_args()


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
