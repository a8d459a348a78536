"""Jobs."""

COMMANDS = ()
