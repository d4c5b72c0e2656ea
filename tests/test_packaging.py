"""What is installed, and where it lies: every folder with an __init__.py is in both lists of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
NOT_DATA = ("reports/reference/",)
"""Measured files that the README speaks of; nothing reads them."""
NOT_INSTALLED = {"tests", "build", "docs", "examples"}


def packages() -> dict[str, str]:
    """Folders with an ``__init__.py`` by the package that they are."""
    inits = (path.parent.relative_to(ROOT) for path in ROOT.glob("*/**/__init__.py"))
    folders = [path for path in inits if path.parts[0] not in NOT_INSTALLED and not path.parts[0].startswith(".")]
    named = {f"portraitbench.{'.'.join(path.parts)}": path.as_posix() for path in folders}
    named["portraitbench"] = named.pop("portraitbench.api")
    return named


def test_both_lists_hold_every_package():
    found = packages()
    assert len(found) > 15
    assert SETUPTOOLS["package-dir"] == found
    assert sorted(SETUPTOOLS["packages"]) == sorted(found)


def test_data_files_are_listed():
    """Whatever lies in a package and is no module is installed: a page without its template would not be written."""
    told = SETUPTOOLS["package-data"]
    missing = []
    for package, folder in packages().items():
        patterns = [*told["*"], *told.get(package, [])]
        listed = {path for pattern in patterns for path in (ROOT / folder).glob(pattern)}
        assert all(any((ROOT / folder).glob(pattern)) for pattern in told.get(package, [])), package
        inner = {ROOT / other for other in packages().values()}
        for path in (ROOT / folder).rglob("*"):
            owner = next(parent for parent in path.parents if parent in inner)
            compiled = "__pycache__" in path.parts  # Python's, and numba's too
            if owner == ROOT / folder and path.is_file() and path.suffix != ".py" and not compiled:
                missing += [path.relative_to(ROOT).as_posix()] if path not in listed else []
    assert [name for name in missing if not name.startswith(NOT_DATA)] == []


def test_names_in_the_front_are_no_rooms():
    """A module of ``api/`` and a room of the same name would be one name for two things."""
    front = {path.stem for path in (ROOT / "api").glob("*.py")} - {"__init__"}
    assert front
    assert not front & {name.partition(".")[2].partition(".")[0] for name in packages()}


@pytest.mark.slow
def test_a_wheel_holds_all_of_it_and_works_by_itself(tmp_path):
    source = tmp_path / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*pip, str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"portraitbench"}
    expected = {
        f"{package.replace('.', '/')}/{path.name}"
        for package, folder in packages().items()
        for path in (ROOT / folder).glob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == expected
    assert "portraitbench/py.typed" in names
    assert "portraitbench/reports/html/templates/page.html.j2" in names
    assert any(name.startswith("portraitbench/methods/pocket/weights/") for name in names)
    path = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})"
    program = f"{path}; import portraitbench as pb; print(pb.__file__, pb.Run.__module__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == [str(tmp_path / "site" / "portraitbench" / "__init__.py"), "portraitbench.running"]
