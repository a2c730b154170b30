"""`python -m ml distil`: start weights from photos without labels."""

from pathlib import Path
from typing import Annotated

import typer

from ml.commands.opened import console
from ml.settings import load_settings

app = typer.Typer()


@app.command("distil")
def distil_command(
    photos: Annotated[
        list[Path], typer.Option(help="Folder of photos; may be given several times.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the result and, until then, of the state.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Instead of config/distillation.yaml.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and variation.")] = 0,
    licence: Annotated[
        list[str] | None,
        typer.Option(help="Where photos came from, and their licence; for the card."),
    ] = None,
) -> None:
    """Make start weights: a ResNet18 learns from a frozen teacher. Called again, it goes on."""
    from ml.distillation.distil import Sources, distil  # noqa: PLC0415 - `--help` waits for no torch
    from ml.distillation.recipe import RECIPE, load_recipe  # noqa: PLC0415 - as above
    from ml.images.decode import decode_limits  # noqa: PLC0415 - as above
    from ml.inference.device import resolve  # noqa: PLC0415 - as above
    from ml.training.progress import listener  # noqa: PLC0415 - as above

    settings = load_settings()
    with listener(console) as told:
        written = distil(
            Sources(photos, licence or []),
            recipe=load_recipe(recipe or RECIPE),
            out=out or settings.data_dir / "distillation",
            device=str(resolve(settings.device)),
            seed=seed,
            limits=decode_limits(settings),
            progress=told,
        )
    console.print(f"start weights: {written}")
