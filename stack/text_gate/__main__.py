"""`python -m stack.text_gate`: trains the text gate that the screens ship with.

The shipped one learnt from 1,153 real photos of goods, the half whose names hash to an even number;
the other half, and all photos with real banners and pages, are what it is measured on.
"""

from pathlib import Path
from typing import Annotated

import typer

from ml.screens.text_gate import WEIGHTS
from stack.text_gate.network import export
from stack.text_gate.train import Recipe, train


def main(
    photos: Annotated[Path, typer.Option(help="Folder of photos of goods without banners.")],
    out: Annotated[Path, typer.Option(help="Where the network goes.")] = WEIGHTS,
    samples: Annotated[int, typer.Option(help="Samples to draw.", min=32)] = Recipe.samples,
    epochs: Annotated[int, typer.Option(help="How often each is shown.", min=1)] = Recipe.epochs,
    seed: Annotated[int, typer.Option(help="Of drawing and training.")] = Recipe.seed,
) -> None:
    """Draw text over the photos, train, and write the network."""
    files = sorted(file for file in photos.rglob("*") if file.is_file())
    export(train(files, Recipe(samples, epochs, seed)), out)


if __name__ == "__main__":
    typer.run(main)
