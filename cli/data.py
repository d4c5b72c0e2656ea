"""``bench data fetch|check|build|export``: the media that suites name, and weights that methods need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ..core.download import FetchReport
from ..core.errors import ConfigError
from ..core.files import human_size, printable
from ..core.options import given_path
from ..core.registry import Registry
from ..datasets.assets import AssetStore
from ..datasets.build import BuildSpec, build_suite
from ..datasets.catalog import open_suite
from ..datasets.check import check_suite
from ..datasets.export_suite import TABLE, export_suite
from ..datasets.fetch import fetch_assets
from ..datasets.manifest import Suite, SuiteKind
from ..faces import BACKENDS
from ..faces.crops import CENTRE
from ..harness.framing import face_framing
from ..harness.session import default_cache
from ..methods import METHODS
from ..metrics import METRICS
from .terminal import make_console, say

app = typer.Typer(help="Fetch, check, build and export suites.", no_args_is_help=True)

SuiteArgument = Annotated[str, typer.Argument(help="Suite name or manifest file.")]
CacheOption = Annotated[Path | None, typer.Option(help="Folder for assets and face features.")]


@app.command()
def fetch(
    suite: Annotated[str | None, typer.Argument(help="Suite name or manifest file.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Copy from this folder instead of downloading.", metavar="DIR")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Fetch a component's weights instead of a suite, like hellomeme.", metavar="NAME"),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder for weights. Default: the cache in which they are looked for.", metavar="DIR"),
    ] = None,
    cache: CacheOption = None,
) -> None:
    """Bring a suite's assets into the cache, or a component's weights to disk; what is there already is left alone."""
    console = make_console()
    if (suite is None) == (weights is None):
        raise ConfigError("name either a suite or --weights NAME: see 'bench data fetch --help'")
    if weights is not None:
        _fetch_weights(console, weights, _home(to), source)
        return
    folder, source = _home(cache) or default_cache(), _home(source)
    opened = open_suite(str(suite), folder)
    if to is not None:
        raise ConfigError("--to goes with --weights: a suite's files go into the cache, see --cache")
    total = sum(asset.bytes for asset in opened.suite.assets.values())
    with _bars(console, opened.suite.name, total) as tell:
        report = fetch_assets(AssetStore(folder), opened.suite, opened.folder, source=source, progress=tell)
    _print_fetched(console, opened.suite.name, report)


def _fetch_weights(console: Console, name: str, to: Path | None, source: Path | None) -> None:
    if source is not None:
        raise ConfigError("--from does not go with --weights: put the files into the folder given as weights=DIR")
    registries: tuple[Registry[Any], ...] = (METHODS, BACKENDS, METRICS)
    known = [registry for registry in registries if name in registry]
    if not known:
        names = sorted({one for registry in registries for one in registry})
        near = get_close_matches(name, names, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "bench doctor lists all weights files"
        raise ConfigError(f"--weights {name}: no method, face backend or metric is called that: {hint}")
    with _bars(console, name, None) as tell:
        report = known[0].get(name).fetch_weights(to, tell)
    _print_fetched(console, f"weights of {name}", report)


@contextmanager
def _bars(console: Console, name: str, total: int | None) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar over all files; without a total over those that have begun."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(name, total=total)
        received: dict[str, int] = {}
        sizes: dict[str, int] = {}

        def tell(asset_id: str, done: int, size: int) -> None:
            received[asset_id], sizes[asset_id] = done, size
            whole = sum(sizes.values()) if total is None else total
            bars.update(bar, description=asset_id, completed=sum(received.values()), total=whole)

        yield tell


def _print_fetched(console: Console, name: str, report: FetchReport) -> None:
    """Say how a fetch went; exits with 2 when a file failed."""
    for line in report.failed.values():
        console.print(f"[red]failed[/] {escape(line)}")
    console.print(
        f"{name}: {len(report.fetched)} fetched, {len(report.present)} were there, {len(report.failed)} failed"
    )
    if report.failed:
        raise typer.Exit(2)


@app.command()
def check(
    suite: SuiteArgument,
    deep: Annotated[
        bool, typer.Option(help="Also decode every file as far as it is used, and fit every window into it.")
    ] = False,
    cache: CacheOption = None,
) -> None:
    """Say how large a suite is and which of its files are missing, changed or unusable. Changes nothing."""
    folder = _home(cache) or default_cache()
    opened = open_suite(suite, folder)
    result = check_suite(AssetStore(folder), opened.suite, opened.folder, deep)
    console = make_console()
    console.print(
        f"{opened.suite.name} ({opened.suite.kind}, {opened.suite.size} px): {result.cases} cases, "
        f"{result.driving_frames} driving frames, {len(opened.suite.assets)} files, {human_size(result.bytes)}"
    )
    for asset_id, notes in result.notes.items():
        for note in notes:
            console.print(f"[yellow]note[/] {asset_id}: {escape(note)}")
    for root in opened.suite.roots.values():
        console.print(f"[yellow]note[/] media in {escape(root)} are named by that absolute path")
    for asset_id in result.missing:
        console.print(f"[red]missing[/] {asset_id}: {escape(opened.suite.assets[asset_id].path)}")
    for line in (*result.changed.values(), *result.unusable.values()):
        console.print(f"[red]unusable[/] {escape(line)}")
    if result.missing:
        console.print(f"get them: bench data fetch {escape(suite)}   (or, offline: --from FOLDER)")
    if not result.ok:
        raise typer.Exit(2)
    console.print("all files are there" + (" and fit" if deep else " with the right content"))


@app.command("export")
def export_cases(
    suite: SuiteArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; must be new or empty.")],
    case: Annotated[
        list[str] | None, typer.Option("--case", help="Case id or pattern like 'id01__*'; repeatable. Default: all.")
    ] = None,
    mp4: Annotated[bool, typer.Option("--mp4", help="Also write clips as .mp4, which loses a little.")] = False,
    force: Annotated[bool, typer.Option(help="Write into a folder that is not empty.")] = False,
    cache: CacheOption = None,
) -> None:
    """Write what each case is given, framed as it is measured, and a table of case ids; for systems run elsewhere.

    Put their results into a folder as <case id>.png or .mkv and score them: bench run -s SUITE --outputs NAME=FOLDER.
    """
    folder, target = _home(cache) or default_cache(), _home(out) or out
    opened = open_suite(suite, folder)
    cases = [one for one in opened.suite.cases() if any(fnmatchcase(one.id, pattern) for pattern in case or ["*"])]
    if not cases:
        raise ConfigError(f"--case: nothing matches {', '.join(case or [])} (bench suites show NAME lists the ids)")
    console = make_console()
    with console.status("writing") as status:
        count = export_suite(
            AssetStore(folder),
            opened,
            target,
            cases,
            mp4=mp4,
            force=force,
            tell=lambda name: status.update(escape(name)),
        )
    console.print(f"{escape(str(target))}: {count} cases, listed in {TABLE}")


@app.command()
def schema() -> None:
    """Print the JSON schema of suite manifests, for editors and validators."""
    say(json.dumps(Suite.model_json_schema(), indent=2))


@app.command()
def build(
    kind: Annotated[SuiteKind, typer.Argument(help="Which benchmark's shape.")],
    out: Annotated[Path, typer.Option(help="The manifest to write, .yaml or .json; best beside or above the media.")],
    drivings: Annotated[
        Path,
        typer.Option(
            help="Folder of driving images or clips; self-video: of the clips. A folder of numbered pictures in it is "
            "a clip too. What a file is, its content decides."
        ),
    ],
    identities: Annotated[Path | None, typer.Option(help="Folder of identity images; not for self-video.")] = None,
    name: Annotated[str | None, typer.Option(help="Suite name. Default: the manifest's file name.")] = None,
    size: Annotated[int, typer.Option(help="Canvas in pixels.")] = 512,
    licence: Annotated[str, typer.Option(help="Licence of the media, for the record.")] = "not stated",
    provenance: Annotated[str, typer.Option(help="Where the media come from, and by whose consent.")] = "not stated",
    faces: Annotated[
        str, typer.Option(help="Face backend that centres the crops; 'none' for centred squares.")
    ] = "dlib",
    start: Annotated[float, typer.Option(min=0, help="Where the windows of clips begin, in seconds.")] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.04, help="How long the windows of clips are at most.")] = 3.0,
    zoom: Annotated[float, typer.Option(min=0.1, max=10, help="Size of the face: 1 is a third of the canvas.")] = 1.0,
    centre: Annotated[str, typer.Option(help="Where the face's middle lies, X,Y in parts of the canvas.")] = ",".join(
        map(str, CENTRE)
    ),
    force: Annotated[bool, typer.Option(help="Replace an existing manifest.")] = False,
) -> None:
    """Write a manifest for your own images and clips; files that cannot be used are named and left out.

    Every file is decoded as far as its window goes. Ids come from the files' names alone.
    """
    console = make_console()
    place = parse_centre(centre)
    crop_of = None if faces == "none" else face_framing(faces, zoom, place)
    window = (Fraction(start).limit_denominator(1000), Fraction(seconds).limit_denominator(1000))
    spec = BuildSpec(kind, drivings, identities, out, name or out.stem, licence, provenance, size, *window)
    report = build_suite(spec, crop_of=crop_of, force=force)
    for path, reason in report.skipped.items():
        console.print(f"[yellow]left out[/] {escape(_naming(path, reason))}")
    for note in report.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    for root in report.suite.roots.values():
        console.print(f"[yellow]note[/] {escape(f'media in {root} are named by that absolute path')}")
    console.print(f"{escape(str(out))}: {len(report.suite.cases())} cases from {len(report.suite.assets)} files")


def parse_centre(text: str) -> tuple[float, float]:
    """Read ``X,Y``.

    Raises:
        ConfigError: When it is not two numbers from 0 to 1.
    """
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--centre {text!r}: write X,Y, like 0.5,0.6") from error
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ConfigError(f"--centre {text!r}: both numbers must be from 0 to 1")
    return x, y


def _home(path: Path | None) -> Path | None:
    """A path with the home folder filled in, where there is one."""
    return None if path is None else given_path(path)


def _naming(path: Path, reason: str) -> str:
    """A reason that begins with the file's name, once."""
    name = printable(path)
    return reason if reason.startswith((name, str(path))) else f"{name}: {reason}"
