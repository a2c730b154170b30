"""`python -m devtools.text_gate`: train the text gate of the text screen.

The bundled network was trained on 1,153 real product photos, those whose names hash to an even
number. It is evaluated on the other half and on all photos with real banners and pages.
"""

from pathlib import Path
from typing import Annotated

import typer

from devtools.text_gate.network import export_onnx
from devtools.text_gate.train import Recipe, train
from ml.vision.screens.text.gate import WEIGHTS


def main(
    photos: Annotated[Path, typer.Option(help="Folder of product photos without banners.")],
    out: Annotated[Path, typer.Option(help="Output file of the network.")] = WEIGHTS,
    samples: Annotated[int, typer.Option(help="Number of samples.", min=32)] = Recipe.samples,
    epochs: Annotated[int, typer.Option(help="Training epochs.", min=1)] = Recipe.epochs,
    seed: Annotated[int, typer.Option(help="Seed of samples and training.")] = Recipe.seed,
) -> None:
    """Draw text over the photos, train, and write the network."""
    files = sorted(file for file in photos.rglob("*") if file.is_file())
    export_onnx(train(files, Recipe(samples, epochs, seed)), out)


if __name__ == "__main__":
    typer.run(main)
