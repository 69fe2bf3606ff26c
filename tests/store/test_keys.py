"""Keys of SQLite's index tables sort as the values do in MongoDB, also one after another."""

import math
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.store.sqlite.keys import END, entries, key

_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_NEAR = st.builds(
    lambda power, off, sign: sign * (2**power + off), st.integers(50, 62), st.integers(-3, 3), st.sampled_from([1, -1])
)
_NUMBERS = st.one_of(_INTEGERS, _NEAR, _NEAR.map(float), st.floats(allow_nan=False))
_DATES = st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC)).map(lambda d: d.replace(microsecond=0))  # noqa: DTZ001
_ORDERED: tuple[tuple[Any, Any], ...] = (
    (st.none(), lambda _: 0),
    (_NUMBERS, lambda number: number),
    (st.text(), str.encode),
    (st.binary(), lambda value: (len(value), value)),
    (st.booleans(), lambda value: value),
    (_DATES, lambda value: value),
)
_VALUES = st.one_of(*(st.tuples(st.just(kind), values) for kind, (values, _) in enumerate(_ORDERED)))


def _place(value: tuple[int, Any]) -> tuple[int, Any]:
    kind, inner = value
    return kind, _ORDERED[kind][1](inner)


@given(_VALUES, _VALUES)
def test_keys_compare_as_values_do(a: tuple[int, Any], b: tuple[int, Any]) -> None:
    assert (key(a[1]) < key(b[1])) == (_place(a) < _place(b))
    assert (key(a[1]) == key(b[1])) == (_place(a) == _place(b))


@given(_NUMBERS, _NUMBERS)
def test_numbers_compare_exactly_whatever_their_type(a: float, b: float) -> None:
    assert (key(a) < key(b)) == (a < b)
    assert (key(a) == key(b)) == (a == b)


@given(st.lists(_VALUES, min_size=2, max_size=2), st.lists(_VALUES, min_size=2, max_size=2), st.text(), st.text())
def test_keys_one_after_another_compare_field_by_field_and_then_by_id(
    a: list[tuple[int, Any]], b: list[tuple[int, Any]], id_a: str, id_b: str
) -> None:
    joined_a = b"".join(key(value) for _, value in a) + id_a.encode()
    joined_b = b"".join(key(value) for _, value in b) + id_b.encode()
    assert (joined_a < joined_b) == (([*map(_place, a)], id_a.encode()) < ([*map(_place, b)], id_b.encode()))


@given(_VALUES, _VALUES, st.text())
def test_all_that_starts_with_a_value_lies_before_its_end(a: tuple[int, Any], b: tuple[int, Any], id: str) -> None:
    behind = key(a[1]) + key(b[1]) + id.encode()
    assert key(a[1]) <= behind < key(a[1]) + END
    other = key(b[1]) + id.encode()
    assert (key(a[1]) <= other < key(a[1]) + END) == (_place(a) == _place(b))


def test_not_a_number_is_before_all_numbers_and_zero_has_no_sign() -> None:
    assert key(None) < key(math.nan) < key(-math.inf) < key(-(2**63))
    assert key(0) == key(-0.0) == key(0.0)


def test_objects_compare_by_type_then_name_then_value() -> None:
    ordered: list[dict[str, Any]] = [{}, {"b": 1}, {"b": 1, "a": 1}, {"b": 2}, {"c": 1}, {"a": "x"}, {"a": {}}]
    keys = [key(value) for value in ordered]
    assert sorted(keys) == keys
    assert key("zzz") < key({}) < key([]) < key(b"")


def test_each_element_of_an_array_has_an_entry() -> None:
    document = {"a": 1, "tags": ["x", "y", "x"], "offers": [{"cpv": 1}, {"cpv": [2, 3]}, {}]}
    assert entries(document, (("a",), ("tags",))) == [(key(1), key("x")), (key(1), key("y"))]
    assert entries(document, (("offers", "cpv"),)) == [(key(1),), (key(2),), (key(3),), (key(None),)]
