from datetime import UTC, datetime

import pytest

from services.events.domain.times import NoSuchTime, instant

COPENHAGEN = "Europe/Copenhagen"


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2027-02-09T14:00:00", COPENHAGEN, "2027-02-09T13:00:00"),
        ("2027-07-01T14:00:00", COPENHAGEN, "2027-07-01T12:00:00"),
        ("2026-10-25T02:30:00", COPENHAGEN, "2026-10-25T00:30:00"),  # comes twice: the first
        ("2026-10-25T03:00:00", COPENHAGEN, "2026-10-25T02:00:00"),
        ("2027-03-28T01:59:59", COPENHAGEN, "2027-03-28T00:59:59"),
        ("2027-03-28T03:00:00", COPENHAGEN, "2027-03-28T01:00:00"),
        ("2027-02-09T14:00:00", "America/Nuuk", "2027-02-09T16:00:00"),
        ("2027-02-09T14:00:00", "UTC", "2027-02-09T14:00:00"),
    ],
)
def test_wall_time_becomes_an_instant(wall, zone, expected):
    assert instant(datetime.fromisoformat(wall), zone) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_first_of_two_even_if_the_second_was_asked_for():
    wall = datetime.fromisoformat("2026-10-25T02:30:00").replace(fold=1)
    assert instant(wall, COPENHAGEN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("wall", ["2027-03-28T02:00:00", "2027-03-28T02:30:00", "2027-03-28T02:59:59"])
def test_a_time_that_the_clocks_jump_over(wall):
    with pytest.raises(NoSuchTime, match="never is in Europe/Copenhagen"):
        instant(datetime.fromisoformat(wall), COPENHAGEN)


@pytest.mark.parametrize(
    ("wall", "zone"), [("0001-01-01T00:00:00", COPENHAGEN), ("9999-12-31T23:59:59", "America/Nuuk")]
)
def test_years_that_cannot_be_told_in_utc(wall, zone):
    with pytest.raises(NoSuchTime, match="too far away"):
        instant(datetime.fromisoformat(wall), zone)
