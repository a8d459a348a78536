"""The cells of the matrix: who dies, at which place or moment, on which cluster."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatch

MOMENTS = 3  # seeded random ones of each death from outside


class Group(StrEnum):
    """Whose recovery it is: each group has a bound of its own."""

    WORKER = "worker"  # two replicas: one dies
    ACTOR = "actor"  # there is one, and it is started again
    NODE = "node"
    OTHER = "other"  # reported without a bound


class Kind(StrEnum):
    """A cluster that the cells of its kind share."""

    SCRIPTED = "scripted"
    POSTGRES = "postgres"
    VLLM = "vllm"
    NODES = "nodes"
    PEER = "peer"  # not ours: the comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One way to die. `victim` is a crash point, what a process is called, or one of the words below."""

    name: str
    kind: Kind
    group: Group
    victim: str
    early: bool = False  # while jobs are still being submitted
    smoke: bool = False

    @property
    def crash_point(self) -> bool:
        """Whether the process kills itself at a named place."""
        return self.victim in _POINTS

    @property
    def searches(self) -> bool:
        """Whether its jobs search in files."""
        return self.victim.startswith("search.")


POSTGRES_SERVER = "postgres"
NODE = "node"
EVERYTHING = "everything"
OUTAGE = "outage"  # the journal stands still for three lease terms

_DEEDS = {  # of our own processes; the bool: whether it is a process' main commit
    "ingestion.submit": (Group.WORKER, True),
    "search.finish": (Group.WORKER, False),
    "prompting.finish": (Group.WORKER, True),
    "puller.claim": (Group.WORKER, False),
    "inference.append": (Group.WORKER, False),
    "inference.finish": (Group.WORKER, True),
    "journal.commit": (Group.ACTOR, True),
    "token_log.commit": (Group.ACTOR, True),
    "dispatcher.put": (Group.ACTOR, False),
    "dispatcher.seal": (Group.ACTOR, True),
}
_EARLY = ("ingestion", "search", "prompting")  # their work is over soon after the last submit
_POINTS = {f"{deed}.{side}": deed for deed in _DEEDS for side in ("before", "after")}
_OUTSIDE = {
    "haproxy": (Kind.SCRIPTED, Group.OTHER, "/haproxy "),
    "queue": (Kind.SCRIPTED, Group.ACTOR, "ray::TopicsActor"),
    "controller": (Kind.SCRIPTED, Group.OTHER, "ray::ServeController"),
    "everything": (Kind.SCRIPTED, Group.OTHER, EVERYTHING),
    "postgres": (Kind.POSTGRES, Group.OTHER, POSTGRES_SERVER),
    "engine": (Kind.VLLM, Group.WORKER, "VLLM::EngineCore"),
    "node": (Kind.NODES, Group.NODE, NODE),
}


def all_cells() -> list[Cell]:
    """Every cell, those of one cluster side by side."""
    cells = [*map(_point, _POINTS), *(_moment(name, number) for name in _OUTSIDE for number in range(1, MOMENTS + 1))]
    cells.append(Cell(name="outage", kind=Kind.SCRIPTED, group=Group.OTHER, victim=OUTAGE))
    cells.append(
        Cell(name="peer", kind=Kind.PEER, group=Group.OTHER, victim="ServeReplica:task_consumer:task-consumer")
    )
    return sorted(cells, key=lambda cell: list(Kind).index(cell.kind))


def chosen(words: str) -> list[Cell]:
    """What CELLS= asks for: `all`, `smoke`, or patterns of names. Raises ValueError where a pattern fits none."""
    cells: dict[str, Cell] = {}
    for word in words.replace(",", " ").split():
        fitting = [cell for cell in all_cells() if _fits(cell, word)]
        if not fitting:
            raise ValueError(f"no cell fits {word!r}; there are: {' '.join(cell.name for cell in all_cells())}")
        cells.update((cell.name, cell) for cell in fitting)
    return [cell for cell in all_cells() if cell.name in cells]


def _fits(cell: Cell, word: str) -> bool:
    return word == "all" or (word == "smoke" and cell.smoke) or fnmatch(cell.name, word)


def _point(point: str) -> Cell:
    group, main = _DEEDS[_POINTS[point]]
    early = point.startswith(_EARLY)
    return Cell(name=point, kind=Kind.SCRIPTED, group=group, victim=point, early=early, smoke=main)


def _moment(name: str, number: int) -> Cell:
    kind, group, victim = _OUTSIDE[name]
    return Cell(name=f"{name}.{number}", kind=kind, group=group, victim=victim)
