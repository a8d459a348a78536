"""The command line. One module per group of commands; nothing heavy is imported before a command needs it."""

import typer

from heliograph.cli import batches, dead_letters, jobs, models, server

app = typer.Typer(
    help="Durable, event-driven LLM generation on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (server, jobs):
    for command in module.COMMANDS:
        app.command()(command)
app.add_typer(models.app, name="model")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(batches.app, name="batch")


def main() -> None:
    """The `heliograph` command."""
    app()
