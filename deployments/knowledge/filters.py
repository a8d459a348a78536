"""Filters of a search: what clients write is checked and becomes a condition on a file's attributes.

A comparison with an attribute that is missing or of another kind is false, except `ne` and `nin`, which are true.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.errors import RejectError

Attribute = str | float | bool
Condition = Callable[[Mapping[str, Attribute]], bool]

MAX_DEPTH = 16
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_TYPES = ("eq", "ne", *_ORDERS, "in", "nin", "and", "or")


def parse_filters(filters: Any, param: str = "filters") -> Condition:
    """The condition that a client's filters mean. Raises RejectError where they are malformed."""
    return _parse(filters, param, MAX_DEPTH)


def _parse(filters: Any, param: str, depth: int) -> Condition:
    if not isinstance(filters, dict):
        raise RejectError("A filter is an object with a type.", "invalid_type", param)
    if depth == 0:
        raise RejectError(f"Filters are nested deeper than {MAX_DEPTH}.", "invalid_value", param)
    kind = _required(filters, "type", param)
    if kind not in _TYPES:
        raise RejectError(f"type must be one of {', '.join(_TYPES)}.", "invalid_value", f"{param}.type")
    return _compound(filters, param, depth) if kind in {"and", "or"} else _comparison(filters, param)


def _compound(filters: dict[str, Any], param: str, depth: int) -> Condition:
    parts = _required(filters, "filters", param)
    if not isinstance(parts, list) or not parts:
        raise RejectError("filters must be a list of filters.", "invalid_type", f"{param}.filters")
    conditions = [_parse(part, f"{param}.filters[{number}]", depth - 1) for number, part in enumerate(parts)]
    together = all if filters["type"] == "and" else any
    return lambda attributes: together(condition(attributes) for condition in conditions)


def _comparison(filters: dict[str, Any], param: str) -> Condition:
    kind, key, value = filters["type"], _required(filters, "key", param), _required(filters, "value", param)
    if not isinstance(key, str):
        raise RejectError("key must be a string.", "invalid_type", f"{param}.key")
    if kind in {"in", "nin"}:
        return _membership(key, value, f"{param}.value", negated=kind == "nin")
    if kind in _ORDERS:
        return _order(key, value, f"{param}.value", _ORDERS[kind])
    wanted = _keyed(value, f"{param}.value")
    return lambda attributes: (key in attributes and _key_of(attributes[key]) == wanted) is (kind == "eq")


def _membership(key: str, values: Any, param: str, *, negated: bool) -> Condition:
    if not isinstance(values, list):
        raise RejectError("value must be a list.", "invalid_type", param)
    wanted = {_keyed(value, f"{param}[{number}]") for number, value in enumerate(values)}
    return lambda attributes: (key in attributes and _key_of(attributes[key]) in wanted) is not negated


def _order(key: str, value: Any, param: str, compare: Callable[[Any, Any], bool]) -> Condition:
    kind, bound = _keyed(value, param)
    if kind is bool:
        raise RejectError("value must be a number or a string.", "invalid_type", param)

    def holds(attributes: Mapping[str, Attribute]) -> bool:
        found = _key_of(attributes[key]) if key in attributes else None
        return found is not None and found[0] is kind and compare(found[1], bound)

    return holds


def _keyed(value: Any, param: str) -> tuple[type, Attribute]:
    if not isinstance(value, (str, int, float)):
        raise RejectError("value must be a string, a number or a boolean.", "invalid_type", param)
    return _key_of(value)


def _key_of(value: Attribute) -> tuple[type, Attribute]:
    """A value with its kind, since Python holds `True` and 1 for the same."""
    return next(kind for kind in (bool, str, object) if isinstance(value, kind)), value


def _required(filters: dict[str, Any], name: str, param: str) -> Any:
    if name not in filters:
        raise RejectError(f"{name} is missing.", "missing_required_parameter", f"{param}.{name}")
    return filters[name]
