"""The grammar of rules: what is read, what is refused and with which words."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portraitbench.core.errors import ConfigError
from portraitbench.reports.gate.rules import Rule, Subject, matches, matches_metric, parse_rule

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_*[]=/.+-", min_size=1).filter(
    lambda text: text not in ("coverage", "time", "memory", "primary", "sig", "in", "for", "vs")
)
amounts = st.floats(0, 1e9, allow_nan=False)
scopes = {"suite": names, "method": names}
metric_rules = st.builds(
    Rule,
    subject=st.just(Subject.METRIC),
    metric=names,
    limit=amounts,
    relative=st.booleans(),
    significant=st.booleans(),
    rises=st.sampled_from([None, True, False]),
    **scopes,
)
cost_rules = st.builds(
    Rule,
    subject=st.sampled_from([Subject.TIME, Subject.MEMORY]),
    metric=st.just(""),
    limit=st.floats(1, 1e9),
    rises=st.just(True),
    reference=st.just("") | names,
    **scopes,
)
coverage_rules = st.builds(
    Rule,
    subject=st.just(Subject.COVERAGE),
    metric=st.just(""),
    limit=amounts,
    relative=st.just(True),
    rises=st.just(False),
    **scopes,
)


@given(metric_rules | cost_rules | coverage_rules)
def test_every_rule_is_read_back_from_its_text(rule):
    assert parse_rule(str(rule)) == rule


@given(st.text(max_size=60))
@example("aed<=+2% sig in")
@example("<=")
def test_any_text_is_a_rule_or_one_line(text):
    try:
        rule = parse_rule(text)
    except ConfigError as error:
        said = str(error)
    else:
        said = f"rule {text!r}: is one" * (parse_rule(str(rule)) == rule)
    assert said.startswith(f"rule {text!r}: ")


@given(metric_rules, st.lists(st.sampled_from([" ", "  ", "\t"]), min_size=6, max_size=6))
def test_spaces_and_the_order_of_clauses_mean_nothing(rule, spaces):
    head, *clauses = str(rule).split(" ", 1)
    words = clauses[0].split() if clauses else []
    groups = [["sig"]] if "sig" in words[:1] else []
    rest = words[len(groups) :]
    groups += [rest[at : at + 2] for at in range(0, len(rest), 2)]
    turned = [word for group in reversed(groups) for word in group]
    text = spaces[0] + spaces[1].join([head, *turned]) + spaces[2]
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write SUBJECT<=LIMIT"),
        ("aed", "write SUBJECT<=LIMIT"),
        ("aed<2", "write SUBJECT<=LIMIT"),
        ("aed<=much", "'much' is no limit"),
        ("aed<=nan", "'nan' is no limit"),
        ("aed<=1e999", "is no limit"),
        ("aed<=-2%", "asks for an improvement, and a gate bounds losses: write aed<=+2%"),
        ("sim>=+0.1", "write sim>=-0.1"),
        ("primary<=2%", "write loss(primary)"),
        ("loss(primary)>=-2%", "write loss(primary)<=2%"),
        ("los(primary)<=2%", "'los(primary)' is no subject"),
        ("aed<=2x", "a multiple (x) is for time and memory"),
        ("time<=30%", "write time<=1.3x"),
        ("time<=0.5x", "a multiple of at least 1"),
        ("coverage>=-1", "write coverage>=-1%"),
        ("coverage<=1%", "write coverage>=-1%"),
        ("aed<=+2% sgi", "'sgi' is no clause: did you mean sig?"),
        ("aed<=+2% in", "a name must follow 'in'"),
        ("aed<=+2% sig sig", "sig stands twice"),
        ("time<=1.3x sig", "sig is for metrics"),
        ("aed<=+2% vs pocket", "vs is for time and memory"),
    ],
)
def test_what_does_not_fit_is_told_with_what_to_write(text, said):
    with pytest.raises(ConfigError) as told:
        parse_rule(text)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_patterns_take_brackets_for_themselves_and_versions_may_be_left_out():
    assert matches_metric("psnr_mask[mask=hull]", "psnr_mask[mask=hull]/1")
    assert not matches_metric("psnr_mask[mask=hull]", "psnr_maskm/1")
    assert matches_metric("aed_*", "aed_lmk_px512/1")
    assert not matches_metric("aed", "aed_lmk_px512/1")
    assert not matches_metric("aed/2", "aed/1")
    assert matches("pocket+*", "pocket+strucbooth")
    assert not matches("pocket+*", "pockett+strucbooth")
