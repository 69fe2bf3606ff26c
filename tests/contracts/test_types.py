"""Numbers, codes and times: the field types take what they should, in the form they keep, and refuse the rest."""

import pytest

from shared.contracts.base import Attribute
from shared.contracts.events import Seats, WallTime, Zone
from shared.contracts.municipalities import MUNICIPALITIES
from shared.contracts.types import Cpv, Cvr, Id, Municipality
from tests.contracts.parsing import parse, refused


@pytest.mark.parametrize("cvr", ["13585628", "24256790", "30715063", "35408002"])
@pytest.mark.parametrize("form", ["{}", "DK{}", "dk {}", " {} ", "DK-{}"])
def test_cvr(cvr: str, form: str):
    assert parse(Cvr, form.format(cvr)) == cvr


def test_cvr_apart():
    assert parse(Cvr, "13 58.56-28") == "13585628"


@pytest.mark.parametrize(
    "cvr",
    [
        "13585627",
        "01234567",
        "88776655",
        "1358562",
        "135856280",
        "",
        "DK",
        "DKDK13585628",
        "13,585/628",
        "1358–5628",
        "１３５８５６２８",
        "SE13585628",
        13585628,
        None,
    ],
)
def test_no_cvr(cvr: object):
    assert refused(Cvr, cvr)


def test_98_municipalities():
    assert len(MUNICIPALITIES) == 98
    assert parse(Municipality, "0791") == "0791"
    assert MUNICIPALITIES["0791"] == "Viborg"


@pytest.mark.parametrize("code", ["791", "0792", "0411", "Viborg", "0791 ", "", "٠٧٩١", 790])
def test_no_municipality(code: object):
    assert refused(Municipality, code)


@pytest.mark.parametrize("code", ["90919200", "90919200-4", " 90919200-4 ", "90919200\n"])
def test_cpv_is_kept_without_check_digit(code: str):
    assert parse(Cpv, code) == "90919200"


def test_cpv_outside_the_starter_set_is_taken_in_a_known_division():
    assert parse(Cpv, "90919999-1") == "90919999"


@pytest.mark.parametrize(
    "code", ["9091920", "909192000", "90919200-", "90919200-44", "99000000", "9091920٠", "", 90919201]
)
def test_no_cpv(code: object):
    assert refused(Cpv, code)


def test_cpv_with_wrong_check_digit():
    said = refused(Cpv, "90919200-5")
    assert "4" in said
    assert "90919200" not in said


@pytest.mark.parametrize("id", ["", "a b", "a/b", "æ", "a\n", "a" * 101, "{}", "$where", 5])
def test_no_id(id: object):
    assert refused(Id, id)


@pytest.mark.parametrize("text", ["2027-02-09T14:00:00", "2027-02-09T14:00"])
def test_wall_time(text: str):
    assert parse(WallTime, text).isoformat() == "2027-02-09T14:00:00"


@pytest.mark.parametrize(
    "text", ["2027-02-09T14:00:00Z", "2027-02-09T14:00:00+01:00", "2027-02-30T14:00:00", "14:00", "", 5, "6"]
)
def test_no_wall_time(text: object):
    assert refused(WallTime, text)


def test_zone():
    assert parse(Zone, "Europe/Copenhagen") == "Europe/Copenhagen"


@pytest.mark.parametrize("name", ["Europe/Viborg", "../../etc/passwd", "", "+01:00", "europe/copenhagen"])
def test_no_zone(name: str):
    assert refused(Zone, name)


@pytest.mark.parametrize("seats", [-1, 100_001, 1.5, "many", None])
def test_no_seats(seats: object):
    assert refused(Seats, seats)


def test_an_attribute_fits_into_an_amqp_property():
    assert parse(Attribute, "æ" * 127)
    assert "255 bytes" in refused(Attribute, "æ" * 128)
    assert refused(Attribute, "a" * 256)
    assert refused(Attribute, "a\nb")
    assert refused(Attribute, "")
