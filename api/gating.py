"""A run against a committed baseline: what continuous integration asks."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.errors import ConfigError, Status
from .core.files import write_text
from .core.options import given_path
from .core.yamlfile import load_mapping
from .running import AnyPath, Run

if TYPE_CHECKING:
    from .reports.gate.verdict import GateReport

RENEWALS_KEPT = 20


def gate(run: Run | AnyPath, against: AnyPath, rules: Sequence[str] = (), *, out: AnyPath | None = None) -> GateReport:
    """Judge a run by rules against a baseline file.

    Args:
        run: A run, or its folder.
        against: A file that :func:`save_baseline` wrote.
        rules: See :mod:`.reports.gate.rules`; none: primary metrics may not get significantly worse by more than 2 %.
            Coverage may not drop, unless a rule allows it.
        out: Where to write ``summary.md``, ``junit.xml`` and ``gate.json``; None writes nothing.

    Returns:
        What was found; ``exit_code`` is 0 where all is fine.

    Raises:
        BenchError: In one line, when the folder is no run, the file no baseline, or a rule does not fit.

    >>> gate("runs/new", "baseline.json", ["aed_lmk_px512<=+2% sig", "time<=1.3x"]).exit_code  # doctest: +SKIP
    0
    """
    from .reports.gate.baseline import load_baseline, short_digest, snapshot
    from .reports.gate.judge import judge
    from .reports.gate.rules import DEFAULTS, parse_rule
    from .reports.run_data import read_run

    parsed = [parse_rule(text) for text in rules or DEFAULTS]
    before = load_baseline(given_path(against))
    data = read_run(_folder(run))
    records = [(item, data.store.records.get(("generate", item.key))) for item in data.plan]
    pictures = {
        (item.suite, item.method, item.case): made["output"]["path"]
        for item, made in records
        if made and made["status"] == Status.OK
    }
    name = f"{given_path(against).name} ({short_digest(given_path(against))})"
    report = judge(before, snapshot(data), parsed, pictures, name)
    if out is not None:
        _write(report, data.folder, given_path(out))
    return report


def save_baseline(run: Run | AnyPath, path: AnyPath, *, note: str = "") -> int:
    """Keep what a run measured as a baseline file, to be committed.

    Args:
        run: A finished run, or its folder.
        path: The file; one that is there is replaced.
        note: Words for whoever reads the file.

    Returns:
        The number of outputs in it.

    Raises:
        BenchError: When the folder is no run, or has unfinished work.
    """
    from .reports.gate.baseline import save_baseline as save
    from .reports.gate.baseline import snapshot
    from .reports.run_data import read_run

    found = snapshot(read_run(_folder(run)))
    _require_finished(found.rows)
    save(found.model_copy(update={"note": note}), given_path(path))
    return len(found.rows)


def renew_baseline(run: Run | AnyPath, path: AnyPath, reason: str, verdict: str) -> None:
    """Replace a baseline file by what a run measured; the file keeps its note, and the reason is logged in it.

    Args:
        run: A finished run, or its folder.
        path: The baseline file.
        reason: Why.
        verdict: What the gate said of the run.

    Raises:
        BenchError: When the reason is empty, or the run has unfinished work.
    """
    from .reports.gate.baseline import Renewal, load_baseline, short_digest, snapshot
    from .reports.gate.baseline import save_baseline as save
    from .reports.run_data import read_run

    if not reason.strip():
        raise ConfigError("--update: say why with --reason: it is logged in the baseline")
    old, found = load_baseline(given_path(path)), snapshot(read_run(_folder(run)))
    _require_finished(found.rows)
    today = datetime.now(UTC).date().isoformat()
    renewal = Renewal(date=today, reason=reason.strip(), replaced=short_digest(given_path(path)), verdict=verdict)
    kept = {"note": old.note, "renewals": [*old.renewals, renewal][-RENEWALS_KEPT:]}
    save(found.model_copy(update=kept), given_path(path))


def rules_of(file: Path) -> list[str]:
    """The rules in a YAML file (``rules: [...]``) or in a ``pyproject.toml`` (``[tool.portraitbench.gate]``).

    Raises:
        ConfigError: In one line that names the file, when there are none.
    """
    try:
        if file.suffix == ".toml":
            data: Any = tomllib.loads(file.read_text(encoding="utf-8"))
            for part in ("tool", "portraitbench", "gate"):
                data = data.get(part, {}) if isinstance(data, dict) else {}
        else:
            data = load_mapping(file, "rules")
    except (OSError, ValueError) as error:
        raise ConfigError(f"rules {file}: {error}") from error
    found = data.get("rules") if isinstance(data, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(rule, str) for rule in found):
        table = "[tool.portraitbench.gate] " if file.suffix == ".toml" else ""
        raise ConfigError(f'rules {file}: {table}needs a list of texts, rules: ["loss(primary)<=2% sig"]')
    return found


def _folder(run: Run | AnyPath) -> Path:
    return run.folder if isinstance(run, Run) else given_path(run)


def _require_finished(rows: Sequence[Any]) -> None:
    gone = [row for row in rows if row.status is Status.MISSING]
    if gone or not rows:
        what = f"{gone[0].case} of {gone[0].method} is missing" if gone else "it has no competitors"
        raise ConfigError(f"baseline: the run is not finished: {what}: run it again, and save it then")


def _write(report: GateReport, folder: Path, out: Path) -> None:
    import os

    from .reports.gate.junit import junit
    from .reports.gate.summary import as_json, summary

    out.mkdir(parents=True, exist_ok=True)
    seen = os.path.relpath(folder.resolve(), out.resolve())
    write_text(out / "summary.md", summary(report, Path(seen).as_posix()))
    write_text(out / "junit.xml", junit(report))
    write_text(out / "gate.json", as_json(report))
