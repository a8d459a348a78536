"""Filters say the same as the rules of the contract, written out once more."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.knowledge.filters import MAX_DEPTH, Attribute, parse_filters
from pipelines.errors import RejectError

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.sampled_from(["", "x", "y", True, False, 0, 1, 1.0, 2.5, -3])
ATTRIBUTES = st.dictionaries(KEYS, SCALARS, max_size=3)
COMPARISONS = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["eq", "ne"]), "key": KEYS, "value": SCALARS}),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["gt", "gte", "lt", "lte"]),
            "key": KEYS,
            "value": SCALARS.filter(lambda value: not isinstance(value, bool)),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["in", "nin"]), "key": KEYS, "value": st.lists(SCALARS, max_size=3)}
    ),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda parts: st.fixed_dictionaries(
        {"type": st.sampled_from(["and", "or"]), "filters": st.lists(parts, min_size=1, max_size=3)}
    ),
    max_leaves=6,
)


def kind(value: Attribute) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def same(one: Attribute, other: Attribute) -> bool:
    return kind(one) == kind(other) and one == other


def expected(filters: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """The rules, read from the contract one by one."""
    if filters["type"] in {"and", "or"}:
        parts = [expected(part, attributes) for part in filters["filters"]]
        return all(parts) if filters["type"] == "and" else any(parts)
    there, value = attributes.get(filters["key"]), filters["value"]
    if filters["type"] in {"ne", "nin"}:
        opposite = {"ne": "eq", "nin": "in"}[filters["type"]]
        return not expected({**filters, "type": opposite}, attributes)
    if there is None:
        return False
    if filters["type"] in {"eq", "in"}:
        return any(same(there, each) for each in (value if isinstance(value, list) else [value]))
    if kind(there) != kind(value):
        return False
    orders: dict[str, bool] = {"gt": there > value, "gte": there >= value, "lt": there < value, "lte": there <= value}
    return orders[filters["type"]]


@settings(deadline=None)
@given(FILTERS, ATTRIBUTES)
def test_filters_say_what_the_contract_says(filters: dict[str, Any], attributes: dict[str, Attribute]) -> None:
    assert parse_filters(filters)(attributes) == expected(filters, attributes)


def nested(depth: int) -> dict[str, Any]:
    filters: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(depth - 1):
        filters = {"type": "or", "filters": [filters]}
    return filters


@pytest.mark.parametrize(
    ("filters", "param"),
    [
        (None, "filters"),
        ([], "filters"),
        ("a = 1", "filters"),
        ({}, "filters.type"),
        ({"type": "like", "key": "a", "value": "x"}, "filters.type"),
        ({"type": ["eq"], "key": "a", "value": "x"}, "filters.type"),
        ({"type": "eq", "value": "x"}, "filters.key"),
        ({"type": "eq", "key": 1, "value": "x"}, "filters.key"),
        ({"type": "eq", "key": "a"}, "filters.value"),
        ({"type": "eq", "key": "a", "value": None}, "filters.value"),
        ({"type": "ne", "key": "a", "value": ["x"]}, "filters.value"),
        ({"type": "gt", "key": "a", "value": True}, "filters.value"),
        ({"type": "lte", "key": "a", "value": {}}, "filters.value"),
        ({"type": "in", "key": "a", "value": "x"}, "filters.value"),
        ({"type": "nin", "key": "a", "value": ["x", None]}, "filters.value[1]"),
        ({"type": "and"}, "filters.filters"),
        ({"type": "and", "filters": []}, "filters.filters"),
        ({"type": "or", "filters": {"type": "eq"}}, "filters.filters"),
        ({"type": "or", "filters": [nested(1), {"type": "and", "filters": [3]}]}, "filters.filters[1].filters[0]"),
    ],
)
def test_a_malformed_filter_is_refused_where_it_is_wrong(filters: Any, param: str) -> None:
    with pytest.raises(RejectError) as caught:
        parse_filters(filters)
    assert caught.value.param == param


def test_filters_may_be_nested_but_not_without_end() -> None:
    assert parse_filters(nested(MAX_DEPTH))({"a": 1})
    with pytest.raises(RejectError):
        parse_filters(nested(MAX_DEPTH + 1))
