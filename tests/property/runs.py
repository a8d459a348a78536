"""How long the state machines run. The same runs each time, so that a failure in CI is one on the desk too."""

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

LONGER = 1  # raise it by hand, to 50 or so, after a change of the rules
EXAMPLES_IN_MEMORY = 50
EXAMPLES_ON_DISK = 10  # every commit waits for the disk, so that a failure there is shown as it was found


def run(machine: Callable[[], RuleBasedStateMachine], store: str) -> None:
    """Many short lives of a store."""
    quick = store == "memory"
    chosen = settings(
        max_examples=(EXAMPLES_IN_MEMORY if quick else EXAMPLES_ON_DISK) * LONGER,
        stateful_step_count=40,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if quick else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[arg-type]  # any factory will do
