"""`python -m ml pretrain`: pretrained weights from unlabeled photos."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli.context import console
from ml.core.settings import load_settings

app = typer.Typer(help="Pretrained weights: distill them.", no_args_is_help=True)


@app.command("distill")
def distill_command(
    photos: Annotated[list[Path], typer.Option(help="Folder of photos; can be repeated.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints and the resulting weights.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe file; default: config/distillation.yaml.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    licence: Annotated[
        list[str] | None,
        typer.Option(help="Source and licence of the photos, for the card; can be repeated."),
    ] = None,
) -> None:
    """Distill a frozen teacher into a ResNet18; a killed run resumes when started again."""
    from ml.models.distillation.distill import distill
    from ml.models.distillation.recipe import RECIPE, load_recipe
    from ml.models.predictor import resolve_device
    from ml.models.training.progress import listener
    from ml.vision.images.decode import decode_limits

    settings = load_settings()
    with listener(console) as progress:
        written = distill(
            photos,
            licences=licence or [],
            recipe=load_recipe(recipe or RECIPE),
            out=out or settings.data_dir / "distillation",
            device=str(resolve_device(settings.device)),
            seed=seed,
            limits=decode_limits(settings),
            progress=progress,
        )
    console.print(f"pretrained weights: {written}")
