"""What differs between two configurations, by tables; and that a difference that was made is none any more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.configuration.document import SECTIONS, BadDocument, Change, Op, check, diff, digest

A = {"consumer": None, "name": "a", "url": "https://a.example/", "patterns": ["*"]}


@pytest.mark.parametrize(
    ("document", "where", "words"),
    [
        ([], "", "object"),
        ({}, "/version", "must be 1"),
        ({"version": 2}, "/version", "must be 1"),
        ({"version": 1, "consumer": []}, "/consumer", "no section"),
        ({"version": 1, "consumers": {}}, "/consumers", "list"),
        ({"version": 1, "consumers": ["a"]}, "/consumers/0", "object"),
        ({"version": 1, "consumers": [{"name": "a"}]}, "/consumers/0/uid", "needed"),
        ({"version": 1, "consumers": [{"uid": "a"}, {"uid": "a"}]}, "/consumers", "2 times"),
        ({"version": 1, "environment": {"paused": True}}, "/environment/paused", "not known"),
        ({"version": 1, "environment": []}, "/environment", "object"),
        (
            {"version": 1, "subscriptions": [A | {"secret": "whsec_x"}]},
            "/subscriptions/0/secret",
            "not known",
        ),
        ({"version": 1, "subscriptions": [A, A]}, "/subscriptions", "name of its own"),
        ({"version": 1, "projections": [{"pattern": "a"}]}, "/projections/0/semantics", "needed"),
        ({"version": 1, "consumers": [{"uid": str(n)} for n in range(10_001)]}, "", "divide"),
    ],
)
def test_a_document_that_can_not_be_meant_says_where(document: object, where: str, words: str) -> None:
    with pytest.raises(BadDocument) as told:
        check(document)
    assert told.value.where == where
    assert words in told.value.sentence


@pytest.mark.parametrize(
    ("now", "then", "prune", "changes"),
    [
        ({}, {}, True, []),
        ({"environment": {"capture": "all"}}, {"environment": {"capture": "none"}}, False,
         [Change(Op.update, "environment", "", {"capture": ["all", "none"]})]),
        ({"consumers": [{"uid": "a", "name": "A"}]}, {"consumers": [{"uid": "a"}]}, False, []),
        ({"consumers": [{"uid": "a", "name": "A"}]}, {"consumers": [{"uid": "a", "name": "B"}]}, False,
         [Change(Op.update, "consumers", "a", {"name": ["A", "B"]})]),
        ({}, {"consumers": [{"uid": "a"}]}, False, [Change(Op.create, "consumers", "a", {"uid": [None, "a"]})]),
        ({"consumers": [{"uid": "a"}]}, {"consumers": []}, False, []),
        ({"consumers": [{"uid": "a"}]}, {"consumers": []}, True, [Change(Op.delete, "consumers", "a")]),
        ({"consumers": [{"uid": "a"}]}, {}, True, []),
        ({"subscriptions": [A]}, {"subscriptions": [A | {"url": "https://b.example/"}]}, False,
         [Change(Op.update, "subscriptions", "/a", {"url": ["https://a.example/", "https://b.example/"]})]),
        ({"subscriptions": [A]}, {"subscriptions": [A | {"consumer": "x"}]}, True,
         [Change(Op.create, "subscriptions", "x/a", {name: [None, then] for name, then in (A | {"consumer": "x"}).items()}),
          Change(Op.delete, "subscriptions", "/a")]),
    ],
)  # fmt: skip
def test_differences(now: Any, then: Any, prune: bool, changes: list[Change]) -> None:
    assert diff(now, then, prune=prune) == changes


def test_what_belongs_to_others_goes_before_them() -> None:
    now = {"consumers": [{"uid": "x"}], "subscriptions": [A | {"consumer": "x"}]}
    gone = diff(now, {"consumers": [], "subscriptions": []}, prune=True)
    assert [change.section for change in gone] == ["subscriptions", "consumers"]


_consumers = st.lists(
    st.fixed_dictionaries({"uid": st.sampled_from("abcd"), "name": st.sampled_from(["", "N"])}, optional={"limits": st.just({"subscriptions": 1})}),
    unique_by=lambda item: item["uid"],
)  # fmt: skip
_documents = st.fixed_dictionaries(
    {},
    optional={
        "consumers": _consumers,
        "environment": st.fixed_dictionaries({"capture": st.sampled_from(["all", "none"])}),
    },
)


@given(_documents, _documents, st.booleans())
def test_what_was_applied_differs_no_more(now: Any, then: Any, prune: bool) -> None:
    def applied() -> dict[str, Any]:
        made = {
            "environment": dict(now.get("environment", {})),
            "consumers": {c["uid"]: dict(c) for c in now.get("consumers", [])},
        }
        for change in diff(now, then, prune=prune):
            values = {name: new for name, (_, new) in change.fields.items()}
            if change.section == "environment":
                made["environment"] |= values
            elif change.op is Op.delete:
                del made["consumers"][change.key]
            else:
                made["consumers"].setdefault(change.key, {}).update(values)
        return {"environment": made["environment"], "consumers": list(made["consumers"].values())}

    assert diff(applied(), then, prune=prune) == []


def test_the_digest_is_of_what_is_shown() -> None:
    one = diff({}, {"consumers": [{"uid": "a"}]})
    assert digest(one) == digest(diff({}, {"consumers": [{"uid": "a"}]}))
    assert digest(one) != digest(diff({}, {"consumers": [{"uid": "b"}]}))
    assert set(SECTIONS) == {"consumers", "projections", "subscriptions"}
