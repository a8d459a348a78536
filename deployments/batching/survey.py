"""What the lines of a file come to together: how many, of which models, and all that is wrong with them."""

from deployments.batching.lines import MOST_LINES, Problem, Seen

MOST_PROBLEMS = 1000  # that a batch tells


class Survey:
    """Of one file, taken in line by line; it keeps the lines' ids and the problems, no more."""

    def __init__(self) -> None:
        self.models: set[str] = set()
        self._lines = 0
        self._of_id: dict[str, int] = {}  # the line of each custom_id
        self._problems: list[Problem] = []

    @property
    def enough(self) -> bool:
        """Whether the rest of the file would tell nothing new."""
        return self._lines > MOST_LINES or len(self._problems) >= MOST_PROBLEMS

    @property
    def lines(self) -> int:
        """How many there are."""
        return self._lines

    @property
    def model(self) -> str:
        """The one of all lines; "" where there are several."""
        return next(iter(self.models)) if len(self.models) == 1 else ""

    def add(self, number: int, found: Seen | Problem) -> None:
        """A line with this number was read, or could not be."""
        self._lines += 1
        if isinstance(found, Problem):
            self._problems.append(found._replace(line=number))
            return
        self.models.add(found.model)
        other = self._of_id.setdefault(found.custom_id, number)
        if other != number:
            message = f"The custom_id '{found.custom_id}' is also that of line {other}."
            self._problems.append(Problem("duplicate_custom_id", message, "custom_id", number))

    def problems(self) -> list[Problem]:
        """All that is wrong."""
        if self._lines > MOST_LINES:
            return [*self._problems, Problem("too_many_lines", f"A batch has at most {MOST_LINES} lines.")]
        if not self._lines:
            return [Problem("empty_file", "The file has no lines.")]
        return self._problems
