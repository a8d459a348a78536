"""Walks every state that the protocol can reach, breadth first, so that a path to a violation is a shortest one."""

from collections import deque
from dataclasses import dataclass, field
from itertools import chain

from tests.model.invariants import broken_by, broken_in
from tests.model.protocol import Move, Rules, moves
from tests.model.state import State, canonical


@dataclass
class Findings:
    """What was found. `violation` names the first broken invariant, `path` says how to get there."""

    states: int = 0
    moves: int = 0
    ends: int = 0
    violation: str = ""
    path: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        figures = f"{self.states} states, {self.moves} moves, {self.ends} ends"
        return "\n  ".join([f"{figures}; broken: {self.violation or 'nothing'}", *self.path])


class Exploration:
    """All states from the first on, up to names. Ends at the first violation."""

    def __init__(self, first: State, rules: Rules) -> None:
        self._first = first
        self._rules = rules
        self._numbers = {canonical(first): 0}
        self._states = list(self._numbers)
        self._origins = [0]  # of each state, the one that it was found from
        self._causes: list[list[int]] = [[]]  # of each state, those from which the system comes to it by itself
        self._moves = 0

    def run(self) -> Findings:
        """Everything that is reachable, then whether everything can end."""
        for number, state in enumerate(self._states):  # grows as it goes
            for move in moves(state, self._rules):
                self._moves += 1
                broken = self._visit(number, move)
                if broken:
                    return self._findings(broken, number, broken)
        ends = [number for number, state in enumerate(self._states) if state.over()]
        stuck = self._stuck(ends)
        if stuck is None:
            return Findings(len(self._states), self._moves, len(ends))
        return self._findings("every job can end", stuck)

    def _visit(self, number: int, move: Move) -> str:
        after = canonical(move.state)
        known = self._numbers.get(after)
        if known is None:
            known = self._numbers[after] = len(self._states)
            self._states.append(after)
            self._origins.append(number)
            self._causes.append([])
        if move.fair:
            self._causes[known].append(number)
        return next(chain(broken_by(self._states[number], move), broken_in(move.state)), "")

    def _stuck(self, ends: list[int]) -> int | None:
        """The first state from which the system would never come to an end by itself."""
        saved, queue = set(ends), deque(ends)
        while queue:
            new = [number for number in self._causes[queue.popleft()] if number not in saved]
            saved.update(new)
            queue.extend(new)
        return next((number for number in range(len(self._states)) if number not in saved), None)

    def _findings(self, violation: str, number: int, last: str = "") -> Findings:
        """The path with every job and worker under one name throughout."""
        stations = [number]
        while stations[-1]:
            stations.append(self._origins[stations[-1]])
        state, labels = self._first, []
        for station in reversed(stations[:-1]):
            move = next(move for move in moves(state, self._rules) if canonical(move.state) == self._states[station])
            state = move.state
            labels.append(move.label)
        if last:
            breaking = (m for m in moves(state, self._rules) if last in chain(broken_by(state, m), broken_in(m.state)))
            labels.append(next(breaking).label)
        return Findings(len(self._states), self._moves, 0, violation, labels)
