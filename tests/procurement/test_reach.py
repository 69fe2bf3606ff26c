from hypothesis import given
from hypothesis import strategies as st

from services.procurement.domain import Reach
from shared.contracts.cpv import related

# Codes that are often in line with one another, and divisions whose number ends in 0.
digits = st.text("0129", min_size=2, max_size=8).map(lambda d: d.ljust(8, "0"))
codes = st.lists(digits, max_size=6)


@given(codes, codes)
def test_the_two_queries_find_exactly_what_is_related(ours, theirs):
    asked, kept = Reach.of(ours), Reach.of(theirs)

    found = bool(set(asked.tops) & set(kept.line)) or bool(set(asked.above) & set(kept.codes))

    assert found == any(related(a, b) for a in ours for b in theirs)


@given(codes)
def test_no_more_is_asked_than_needed(ours):
    reach = Reach.of(ours)

    assert not any(related(a, b) for a in reach.tops for b in reach.tops if a != b)
    assert not set(reach.tops) & set(reach.above)


def test_what_has_no_code_reaches_nothing():
    assert Reach.of([None, ""]) == Reach(())
    assert (Reach(()).line, Reach(()).tops, Reach(()).above) == ((), (), ())
