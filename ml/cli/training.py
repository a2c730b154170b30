"""`python -m ml train` and `pretrain`: model versions and pretrained weights from folders."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml.cli.context import console, opened
from ml.core.files import scratch_folder, write_file
from ml.core.settings import Settings, load_settings
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import decode_limits

if TYPE_CHECKING:
    from ml.models.distillation.sources import Origin
    from ml.models.training.image_folder import Photo
    from ml.models.training.train import TrainedVersion

app = typer.Typer()  # without a name: its commands are top-level commands
pretrain = typer.Typer(help="Pretrained weights: distill them.", no_args_is_help=True)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with one subfolder of photos per class.")],
    *,
    preset: Annotated[
        str, typer.Option(help="Preset of config/training, or a preset file.")
    ] = "fast",
    promote: Annotated[bool, typer.Option(help="Make the result the champion.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of split, augmentation and head.")] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Train as many epochs as fit; linear_probe: none by default."),
    ] = None,
    violation_share: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=0.9999,
            help="Share of violations in your photo stream.",
            show_default="as in the folder",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write weights, card, report and plots to this folder.")
    ] = None,
) -> None:
    """Train a model version on a folder of labeled photos and register it."""
    from ml.learning.report.training_page import FILE as PAGE
    from ml.models import registry
    from ml.models.load_check import check_version

    with opened() as (settings, connections):
        with scratch_folder(settings.data_dir / "training", "version-") as folder:
            target = out or folder
            # The page has photos: it is no part of the version, whose files are kept for good.
            (target / PAGE).unlink(missing_ok=True)
            version = _train(
                data, target, preset=preset, seed=seed, minutes=minutes,
                violation_share=violation_share,
            )  # fmt: skip
            registered = registry.register(
                target, engine=connections.engine, store=connections.models
            )
            page = _write_page(version, target, registered, settings)
        console.print(f"registered model version {registered}")
        console.print(f"report with the most wrong photos: {page}", soft_wrap=True)
        if promote:
            check_version(registered, store=connections.models, cache=connections.model_cache)
            reason = f"python -m ml train --preset {preset} --promote"
            registry.promote(
                registered, engine=connections.engine, by="command line", reason=reason
            )
            console.print("it is now the champion")


def _write_page(
    version: "TrainedVersion", folder: Path, registered: str, settings: Settings
) -> Path:
    """Write the report into the folder, and to the data directory, where it stays."""
    from ml.learning.report.training_page import write_training_page

    policy = load_policy(settings.policy_file)
    page = write_training_page(version, folder, policy=policy, limits=decode_limits(settings))
    kept = settings.data_dir / "reports" / f"training-{registered[:12]}.html"
    write_file(kept, page.read_bytes())
    return kept


def _train(
    data: Path,
    out: Path,
    *,
    preset: str,
    seed: int,
    minutes: float | None,
    violation_share: float | None,
) -> "TrainedVersion":
    """Train into `out`, and print what the held-out photos say."""
    from ml.learning.report.training_page import describe
    from ml.models.features import FeatureCache
    from ml.models.predictor import resolve_device
    from ml.models.training.other_computations import find_other_computations
    from ml.models.training.preset import load_preset
    from ml.models.training.progress import listener
    from ml.models.training.train import train as run

    settings = load_settings()
    device, policy = resolve_device(settings.device), load_policy(settings.policy_file)
    with listener(console) as progress:
        version = run(
            data,
            preset=load_preset(preset),
            policy=policy,
            out=out,
            pretrained_weights=settings.pretrained_weights,
            architecture=settings.architecture,
            device=str(device),
            seed=seed,
            limits=decode_limits(settings),
            progress=progress,
            minutes=minutes,
            computations=find_other_computations(settings, device),
            cache=FeatureCache(settings.data_dir / "features.safetensors"),
            violation_share=violation_share,
        )
    for line in describe(version, policy):
        console.print(line)
    return version


@pretrain.command("list-photos")
def list_photos_command(
    file: Annotated[Path, typer.Argument(help="File to write: the list.")],
    uploaded_from: Annotated[str, typer.Option(help="Upload time, ISO 8601 with a zone.")],
    uploaded_before: Annotated[str, typer.Option(help="As above; the list ends before it.")],
    max_photos: Annotated[int, typer.Option(min=1, help="A sample of so many.")] = 10_000,
) -> None:
    """List a sample of the shop's judged photos, for `distill --listed`; reads no labels."""
    from ml.core.window import Window, parse_time
    from ml.learning.pretraining.photo_list import list_photos

    window = Window(parse_time(uploaded_from), parse_time(uploaded_before))
    with opened() as (settings, connections):
        listed = list_photos(
            window, max_photos=max_photos, settings=settings, connections=connections
        )
    write_file(file, listed.to_json().encode())
    console.print(f"{len(listed.photos):,} photos: {file}")


@pretrain.command("distill")
def distill_command(
    photos: Annotated[
        list[Path] | None, typer.Option(help="Folder of photos; can be repeated.")
    ] = None,
    *,
    listed: Annotated[
        Path | None, typer.Option(help="List of the shop's own photos, by `list-photos`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints and the resulting weights.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe file; default: config/distillation.yaml.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Weights to start from: a .safetensors file, bundled, imagenet or auto.",
            show_default="random ones",
        ),
    ] = None,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(help="CSV file with sha256, source and licence of photos; can be repeated."),
    ] = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(help="Source and licence of the photos, for the card; can be repeated."),
    ] = None,
) -> None:
    """Distill a frozen teacher into a ResNet18; a killed run resumes when started again."""
    from ml.models.distillation.distill import Origins, distill, list_files
    from ml.models.distillation.recipe import RECIPE, load_recipe
    from ml.models.distillation.sources import read_manifests
    from ml.models.predictor import resolve_device
    from ml.models.training.progress import listener

    settings = load_settings()
    with listener(console) as progress, _listed_photos(listed) as (own, own_origins):
        written = distill(
            [*list_files(photos or []), *own],
            start=start,
            origins=Origins(tuple(licence or ()), read_manifests(manifest or []) | own_origins),
            recipe=load_recipe(recipe or RECIPE),
            out=out or settings.data_dir / "distillation",
            device=str(resolve_device(settings.device)),
            seed=seed,
            limits=decode_limits(settings),
            progress=progress,
        )
    console.print(f"pretrained weights: {written}")


@contextmanager
def _listed_photos(path: Path | None) -> Iterator[tuple[list["Photo"], dict[str, "Origin"]]]:
    """The photos of a list, as long as the bucket is open, and their origins; none of None."""
    from ml.learning.pretraining.bucket_photos import bucket_photos, own_origins
    from ml.learning.pretraining.photo_list import read_list

    if path is None:
        yield [], {}
        return
    listed = read_list(path)
    with opened() as (_, connections):
        yield (
            bucket_photos(listed.photos, connections.photos),
            own_origins(listed, connections.photos),
        )
