"""Who stands above whom in the Common Procurement Vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.cpv import check_code, line, related, starter, stem

CODES = st.sampled_from(sorted(starter()))


def test_the_starter_set_has_all_divisions():
    assert sum(code.endswith("000000") for code in starter()) == 45


@pytest.mark.parametrize(
    ("code", "digits"),
    [
        ("90919200", "909192"),
        ("90910000", "9091"),
        ("90000000", "90"),
        ("30000000", "30"),
        ("03000000", "03"),
        ("03100000", "031"),
        ("33141625", "33141625"),
    ],
)
def test_stem(code: str, digits: str):
    assert stem(code) == digits


@pytest.mark.parametrize(
    ("code", "above"),
    [
        ("90919200", ["90919200", "90919000", "90910000", "90900000", "90000000"]),
        ("30100000", ["30100000", "30000000"]),
        ("30000000", ["30000000"]),
        ("03110000", ["03110000", "03100000", "03000000"]),
        ("85312000", ["85312000", "85310000", "85300000", "85000000"]),
        (
            "33141625",
            ["33141625", "33141620", "33141600", "33141000", "33140000", "33100000", "33000000"],
        ),
        ("45100005", ["45100005", "45100000", "45000000"]),
    ],
)
def test_line(code: str, above: list[str]):
    assert line(code) == above


@pytest.mark.parametrize("code", sorted(starter()))
def test_every_line_ends_in_its_division(code: str):
    assert line(code)[0] == code
    assert line(code)[-1] == code[:2] + "000000"
    assert line(code)[-1] in starter()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("90910000", "90910000"),
        ("90910000", "90919200"),
        ("90000000", "90919200"),
        ("30000000", "30190000"),
        ("03000000", "03110000"),
    ],
)
def test_related(one: str, other: str):
    assert related(one, other)
    assert related(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("90910000", "90920000"),
        ("90919200", "90919300"),
        ("30000000", "03000000"),
        ("30000000", "31000000"),
        ("90910000", "55500000"),
    ],
)
def test_not_related(one: str, other: str):
    assert not related(one, other)
    assert not related(other, one)


@given(CODES, CODES)
def test_related_is_standing_in_the_line(one: str, other: str):
    assert related(one, other) == (one in line(other) or other in line(one))


@given(CODES)
def test_the_check_digit_of_the_starter_set_is_known(code: str):
    digit = starter()[code][0]
    assert check_code(f"{code}-{digit}") == code
    with pytest.raises(ValueError, match="wrong check digit"):
        check_code(f"{code}-{(int(digit) + 1) % 10}")
