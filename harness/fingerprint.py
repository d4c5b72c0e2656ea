"""Fingerprints: all that decides a result, readable; the digest of one is the key under which the result is reused.

``bench why`` compares them and names the fields that differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..datasets.manifest import Case, Suite
from ..methods.base import Generator
from ..metrics.base import Metric
from .devices import device_type
from .making import making
from .session import Session

GENERATE_VERSION = 1
"""Raise it when the way outputs are made or stored changes what is in them."""
SCORE_VERSION = 1
"""Raise it when scoring changes outside the metrics, which have versions of their own."""
OBSERVE_VERSION = 1
"""Raise it when looking at clips changes outside the face backends, which have versions of their own."""

Fingerprint = Mapping[str, Any]
"""Plain data: what :func:`core.digest.canonical_json` takes."""


def generate_fingerprint(session: Session, suite: Suite, case: Case, label: str) -> Fingerprint:
    """All that decides an output.

    Raises:
        PluginError: When the method cannot tell what it is.
    """
    method, place = session.method(label), f"method {label}"
    if type(method).case_fingerprint is Generator.case_fingerprint:
        told = session.once(place, lambda: _told(method, place, case))
    else:
        told = session.interned(place, _told(method, place, case))
    content_of = session.media.suite(suite.name).window_content
    roles = {"identity": case.identity, "driving": case.driving}
    content: dict[str, Any] = {role: content_of(window) for role, window in roles.items()}
    if case.guides:
        content["guides"] = {region: content_of(window) for region, window in case.guides.items()}
    if session.sees_target(label):
        content["target"] = content_of(case.target) if case.target else None
    return {
        "version": GENERATE_VERSION,
        "method": told,
        "suite": suite.name,
        "case": case.id,
        "seed": session.config.seed,
        **content,
        **environment(session),
    }


def method_fingerprint(method: Generator, case_id: str) -> dict[str, Any]:
    """All that a method says decides what it makes of a case, besides the case and the seed."""
    return {"name": method.name, **method.case_fingerprint(case_id)}


def _told(method: Generator, place: str, case: Case) -> dict[str, Any]:
    with making(place):
        return method_fingerprint(method, case.id)


def score_fingerprint(session: Session, suite: Suite, case: Case, metric: Metric) -> Fingerprint:
    """All that decides a metric's value besides the output itself."""
    content_of = session.media.suite(suite.name).window_content
    roles = {"identity": case.identity, "driving": case.driving, "target": case.target}
    return {
        "version": SCORE_VERSION,
        "metric": session.once(f"metric {id(metric)}", lambda: dict(metric.fingerprint())),
        "faces": session.observer.fingerprint_for(metric.spec.needs),
        **{role: content_of(window) for role, window in roles.items() if window is not None},
        **environment(session),
    }


def environment(session: Session) -> Fingerprint:
    """What decides last digits: the kind of device, threads, and on cards the arithmetic; their model where asked for.

    Never a device's index: every card of a machine is as good as another.
    """

    def make() -> dict[str, Any]:
        gpu = {"gpu": session.gpu} if session.gpu else {}
        switches = {"arithmetic": dict(session.arithmetic)} if session.arithmetic else {}
        return {"device": device_type(session.device), "threads": session.config.threads, **switches, **gpu}

    return session.once("environment", make)


def differences(old: Fingerprint, new: Fingerprint) -> list[str]:
    """The fields that differ, each as "field: old -> new".

    >>> differences({"seed": 0, "method": {"options": {"steps": 8}}}, {"seed": 1, "method": {"options": {"steps": 8}}})
    ['seed: 0 -> 1']
    """
    before, after = dict(_leaves(old)), dict(_leaves(new))
    fields = [*before, *(field for field in after if field not in before)]
    return [
        f"{field}: {_text(before.get(field, _ABSENT))} -> {_text(after.get(field, _ABSENT))}"
        for field in fields
        if before.get(field, _ABSENT) != after.get(field, _ABSENT)
    ]


_ABSENT = object()
_SHORT = 12
_HEX = set("0123456789abcdef")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All plain values of nested data by their dotted path; lists are values."""
    if isinstance(value, Mapping) and value:
        for name, own in value.items():
            yield from _leaves(own, f"{path}.{name}" if path else str(name))
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """A value for people; of a digest the beginning."""
    if value is _ABSENT:
        return "(none)"
    if isinstance(value, list):
        return f"[{', '.join(_text(one) for one in value)}]"
    text = str(value)
    return text[:_SHORT] if len(text) >= 32 and set(text) <= _HEX else text
