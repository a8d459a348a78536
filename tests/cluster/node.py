"""Run as a program in a machine's namespaces: gives it its home and temporary folders, and becomes its sshd."""

import os
import sys
from pathlib import Path

from tests.cluster.nodes import private_temporary, run


def main() -> None:
    """Does not return."""
    folder, config = Path(sys.argv[1]), sys.argv[2]
    private_temporary(folder)
    run("mount", "--bind", str(folder / "passwd"), "/etc/passwd")
    os.execv("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", config])  # noqa: S606 - it is to be this process


if __name__ == "__main__":
    main()
