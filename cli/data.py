"""``bench data fetch|check|build``: the media that suites name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ..core.files import human_size
from ..datasets.assets import AssetStore
from ..datasets.build import BuildSpec, build_suite
from ..datasets.catalog import open_suite
from ..datasets.check import check_suite
from ..datasets.fetch import fetch_assets
from ..datasets.manifest import Suite, SuiteKind
from ..faces import BACKENDS
from ..faces.crops import portrait_crop
from ..faces.observer import Observer
from ..harness.config import part_spec
from ..harness.session import default_cache

app = typer.Typer(help="Fetch, check and build suites.", no_args_is_help=True)

SuiteArgument = Annotated[str, typer.Argument(help="Suite name or manifest file.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder for assets and face features.")]


@app.command()
def fetch(
    suite: SuiteArgument,
    source: Annotated[
        Path | None, typer.Option("--from", help="Copy from this folder instead of downloading.", metavar="DIR")
    ] = None,
    cache: CacheOption = None,
) -> None:
    """Bring a suite's assets into the cache; what is there already is left alone."""
    folder = cache or default_cache()
    opened = open_suite(suite, folder)
    console = Console(highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    total = sum(asset.bytes for asset in opened.suite.assets.values())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(opened.suite.name, total=total)
        received: dict[str, int] = {}

        def tell(asset_id: str, done: int, _: int) -> None:
            received[asset_id] = done
            bars.update(bar, description=asset_id, completed=sum(received.values()))

        report = fetch_assets(AssetStore(folder), opened.suite, opened.folder, source=source, progress=tell)
    for line in report.failed.values():
        console.print(f"[red]failed[/] {escape(line)}", soft_wrap=True)
    console.print(
        f"{opened.suite.name}: {len(report.fetched)} fetched, {len(report.present)} were there, "
        f"{len(report.failed)} failed"
    )
    if report.failed:
        raise typer.Exit(2)


@app.command()
def check(
    suite: SuiteArgument,
    deep: Annotated[bool, typer.Option(help="Also open every file and fit every window into it.")] = False,
    cache: CacheOption = None,
) -> None:
    """Say how large a suite is and which of its files are missing, changed or unusable. Changes nothing."""
    folder = cache or default_cache()
    opened = open_suite(suite, folder)
    result = check_suite(AssetStore(folder), opened.suite, opened.folder, deep)
    console = Console(highlight=False)
    console.print(
        f"{opened.suite.name} ({opened.suite.kind}, {opened.suite.size} px): {result.cases} cases, "
        f"{result.driving_frames} driving frames, {len(opened.suite.assets)} files, {human_size(result.bytes)}"
    )
    for asset_id in result.missing:
        console.print(f"[red]missing[/] {asset_id}: {escape(opened.suite.assets[asset_id].path)}", soft_wrap=True)
    for line in (*result.changed.values(), *result.unusable.values()):
        console.print(f"[red]unusable[/] {escape(line)}", soft_wrap=True)
    if result.missing:
        console.print(f"get them: bench data fetch {escape(suite)}   (or, offline: --from FOLDER)", soft_wrap=True)
    if not result.ok:
        raise typer.Exit(2)
    console.print("all files are there" + (" and fit" if deep else " with the right content"))


@app.command()
def schema() -> None:
    """Print the JSON schema of suite manifests, for editors and validators."""
    typer.echo(json.dumps(Suite.model_json_schema(), indent=2))


@app.command()
def build(
    kind: Annotated[SuiteKind, typer.Argument(help="Which benchmark's shape.")],
    out: Annotated[Path, typer.Option(help="The manifest to write, a .yaml file beside or above the media.")],
    drivings: Annotated[Path, typer.Option(help="Folder of driving images or clips; self-video: of the clips.")],
    identities: Annotated[Path | None, typer.Option(help="Folder of identity images; not for self-video.")] = None,
    name: Annotated[str | None, typer.Option(help="Suite name. Default: the manifest's file name.")] = None,
    size: Annotated[int, typer.Option(help="Canvas in pixels.")] = 512,
    licence: Annotated[str, typer.Option(help="Licence of the media, for the record.")] = "not stated",
    provenance: Annotated[str, typer.Option(help="Where the media come from, and by whose consent.")] = "not stated",
    faces: Annotated[
        str, typer.Option(help="Face backend that centres the crops; 'none' for centred squares.")
    ] = "dlib",
    force: Annotated[bool, typer.Option(help="Replace an existing manifest.")] = False,
) -> None:
    """Write a manifest for your own images and clips; files that cannot be used are named and left out."""
    crop_of = None
    if faces != "none":
        backend = part_spec(faces, "--faces")
        observer = Observer([BACKENDS.get(backend.name)(backend.options)])
        crop_of = lambda clip: portrait_crop(observer.observe(clip, ["landmarks"]))  # noqa: E731
    console = Console(highlight=False)
    spec = BuildSpec(kind, drivings, identities, out, name or out.stem, licence, provenance, size)
    report = build_suite(spec, crop_of=crop_of, force=force)
    for path, reason in report.skipped.items():
        console.print(f"[yellow]left out[/] {escape(f'{path}: {reason}')}", soft_wrap=True)
    console.print(
        f"{escape(str(out))}: {len(report.suite.cases())} cases from {len(report.suite.assets)} files", soft_wrap=True
    )
