"""The embedded generator runs in an environment that has the core dependencies alone."""

from __future__ import annotations

import subprocess
import sys


def test_generating_does_not_need_what_training_needs():
    code = (
        "import sys; sys.modules['numba'] = None; import portraitbench.methods.pocket.generator as g; "
        "from portraitbench.methods.base import MethodContext; from pathlib import Path; "
        "g.Pocket({}, MethodContext(lambda: None, device='cpu', cache=Path())).probe()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
