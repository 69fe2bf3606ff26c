"""The size that a document is said to have is the one that BSON gives it."""

from datetime import UTC, datetime
from typing import Any

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.store.values import _Walk

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
_NAMES = st.text(st.characters(exclude_characters="\0.$", exclude_categories=["Cs"]), min_size=1)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(_NAMES, inner)), max_leaves=20
)


@settings(max_examples=50)
@given(st.dictionaries(_NAMES, _VALUES))
def test_the_size_is_that_of_bson(document: dict[str, Any]) -> None:
    walk = _Walk()
    assert len(bson.encode(walk.document(document, 1))) == walk.size


def test_elements_of_a_list_count_with_their_numbers() -> None:
    for length in (0, 1, 9, 10, 11, 99, 100, 101, 1000, 12_345):
        walk = _Walk()
        walk.document({"list": [None] * length}, 1)
        assert walk.size == len(bson.encode({"list": [None] * length}))
