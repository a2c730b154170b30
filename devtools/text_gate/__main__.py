"""`python -m devtools.text_gate`: train the text gate of the text screen.

The bundled network was trained on 8,192 samples in 24 epochs with `--seed 3`, in 16 minutes of one
core, with 400 fonts of Debian's packages besides the system's (`--fonts`). Photos: those of the
folders `normal` (named four times for its weight), `unlabelled` and `unlabelled_wide` whose names
hash to an even number.
`python -m benchmarks.text_reading` evaluates it on the other photos.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from devtools.text_gate.lettering import FONT_FOLDERS
from devtools.text_gate.network import export_onnx
from devtools.text_gate.samples import is_trained_on
from devtools.text_gate.train import Recipe, train
from ml.vision.screens.text.gate import WEIGHTS


def main(
    photos: Annotated[
        list[Path], typer.Option(help="Folder of photos without banners; again for more weight.")
    ],
    folder: Annotated[Path, typer.Option(help="Folder for samples and state, to continue from.")],
    *,
    fonts: Annotated[
        list[Path] | None, typer.Option(help="Folder of fonts besides the system's.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Output file of the network.")] = WEIGHTS,
    samples: Annotated[int, typer.Option(help="Number of samples.", min=32)] = Recipe.samples,
    epochs: Annotated[int, typer.Option(help="Training epochs.", min=1)] = Recipe.epochs,
    start: Annotated[Path | None, typer.Option(help="state.pt to begin with.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of samples and training.")] = Recipe.seed,
) -> None:
    """Draw text over the photos, train, and write the network."""
    FONT_FOLDERS.extend(fonts or ())
    found = [file for place in photos for file in sorted(place.rglob("*")) if file.is_file()]
    files = [file for file in found if is_trained_on(file)]
    mixed = [files[n] for n in np.random.default_rng(seed).permutation(len(files))]
    folder.mkdir(parents=True, exist_ok=True)
    export_onnx(train(mixed, Recipe(samples, epochs, seed, start), folder), out)


if __name__ == "__main__":
    typer.run(main)
