"""Plug-ins and weights that cannot be used: one line that names them, and no code run from a weights file."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch

HEAD = "from portraitbench.methods import METHODS\nfrom portraitbench.faces import BACKENDS\n"

FILES = [
    ("raises", "raise KeyError('x')", r"plugin\.py: KeyError: 'x'"),
    ("exits", "import sys\nsys.exit(0)", r"plugin\.py: SystemExit: 0"),
    ("is not Python", "def (", r"plugin\.py: SyntaxError: "),
    ("imports what is not installed", "import no_such_package", r"plugin\.py: ModuleNotFoundError: .*no_such_package"),
    ("is binary", b"\0\xff\xfe", r"plugin\.py: "),
    ("takes a built-in name", HEAD + "METHODS.add('warp', object)", r"method 'warp' exists already"),
    ("takes a plug-in's name", HEAD + "METHODS.add('toy', object)", r"method 'toy' exists already"),
    ("takes a built-in face backend", HEAD + "BACKENDS.add('dlib', object)", r"face backend 'dlib' exists already"),
    (
        "registers no method",
        HEAD + "METHODS.add('mine', lambda options, context: 5)",
        r"method mine: int is no generator",
    ),
    ("registers nothing callable", HEAD + "METHODS.add('mine', 5)", r"method mine cannot be made: TypeError"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_plugin_file_is_refused(refused, where, suite, tmp_path, text, message):
    plugin = tmp_path / "plugin.py"
    plugin.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused("run", "-s", suite, *where, "--plugin", plugin, "-m", "mine" if "'mine'" in str(text) else "toy")
    assert re.search(message, line), line


def test_a_plugin_that_was_refused_is_refused_again(refused, where, suite, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(HEAD + "METHODS.add('warp', object)")
    for _ in range(2):
        assert "exists already" in refused("run", "-s", suite, *where, "--plugin", plugin)


@pytest.mark.parametrize("name", ["no/such.py", "plugin.txt", "."])
def test_a_plugin_that_is_no_file_is_refused(refused, where, suite, name):
    assert re.search(r"no such Python file", refused("run", "-s", suite, *where, "--plugin", name))


def test_a_method_that_cannot_be_made_is_named(refused, where, suite):
    line = refused("run", "-s", suite, *where, "-m", "bad:how=construct")
    assert line == "method bad cannot be made: KeyError: 'no such layer'"


def test_a_method_that_cannot_tell_its_fingerprint_is_named(refused, where, suite):
    line = refused("run", "-s", suite, *where, "-m", "bad:how=fingerprint")
    assert re.fullmatch(r"method bad.*ZeroDivisionError: in the fingerprint", line)


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def weights(path: Path, witness: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".onnx":
        path.write_bytes(pickle.dumps(Evil(witness)))
    else:
        torch.save({"state_dict": Evil(witness)}, path)
    return path


def evil_emonet(folder: Path, witness: Path) -> str:
    return f"emonet:weights={weights(folder / 'emonet_8.pth', witness)}"


def evil_fan(folder: Path, witness: Path) -> str:
    for name in ("s3fd-619a316812.pth", "2DFAN4-11f355bf06.pth.tar"):
        weights(folder / name, witness)
    return f"face-alignment:weights={folder}"


def evil_insightface(folder: Path, witness: Path) -> str:
    for name in ("det_10g.onnx", "w600k_r50.onnx"):
        weights(folder / name, witness)
    return f"insightface:pack={folder}"


@pytest.mark.parametrize("make", [evil_emonet, evil_fan, evil_insightface])
def test_weights_that_would_run_code_do_not(refused, where, suite, tmp_path, make):
    backend = make(tmp_path / "weights", tmp_path / "hacked")
    line = refused("run", "-s", suite, *where, "-f", backend, "-m", "copy-driving")
    assert not (tmp_path / "hacked").exists()
    assert str(tmp_path / "weights") in line, line


@pytest.mark.parametrize("name", ["shape_predictor_68_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat"])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_truncated_dlib_model_is_named(refused, where, tmp_path, make_suite, name, share):
    """Where dlib is installed: the other model is the whole one."""
    pytest.importorskip("dlib")
    from portraitbench.datasets.demo import portrait
    from portraitbench.faces.backends.dlib import locate_models

    models = tmp_path / "models"
    models.mkdir()
    for path in locate_models().values():
        if path.name == name:
            with path.open("rb") as file:
                (models / name).write_bytes(file.read(int(path.stat().st_size * share)))
        else:
            (models / path.name).symlink_to(path)
    from portraitbench.core.digest import file_sha256
    from portraitbench.datasets.media import write_image

    def edit(data):
        picture = tmp_path / "suite" / "d0.png"
        write_image(picture, portrait("ann"))
        data["assets"]["d0"] |= {"sha256": file_sha256(picture), "bytes": picture.stat().st_size}
        data["size"] = 256

    suite = make_suite(tmp_path / "suite", drivings=1, edit=edit)
    usual = [*where[:2], *where[4:]]
    line = refused(
        "run", "-s", suite, *usual, "-f", f"dlib:models={models}", "-m", "copy-driving", "--metric", "id_dlib_l2"
    )
    assert str(models / name) in line, line
