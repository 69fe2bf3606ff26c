"""Rules without a store."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifications.domain import Pace, Patience, Throttle, address_id
from services.notifications.mailserver import parse_mail_server

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_an_address_has_one_id_that_only_the_key_gives():
    assert address_id("Asta@Forening.example ", b"k") == address_id("asta@forening.example", b"k")
    assert address_id("asta@forening.example", b"k") != address_id("asta@forening.example", b"l")


def test_patience_grows_to_half_a_day():
    pauses = [Patience().pause(tries, 0).total_seconds() for tries in range(1, 10)]
    assert pauses == [60, 300, 900, 3600, 14400, 28800, 43200, 43200, 43200]
    assert Patience().pause(1, 1).total_seconds() == 72
    assert Patience(delays=(0.1,)).pause(3, 0).total_seconds() == pytest.approx(0.4)
    assert Patience().pause(10_000, 0).total_seconds() == 43200


def test_a_throttle_fills_and_empties():
    pace = Pace(rate=2, burst=10)
    throttle = Throttle.full("x", pace, NOW).used(10, pace, NOW)
    assert throttle.room(5, pace, NOW) == 0
    assert throttle.room(5, pace, NOW + timedelta(seconds=2)) == 4
    assert throttle.room(50, pace, NOW + timedelta(hours=2)) == 10
    assert throttle.room(5, pace, NOW - timedelta(minutes=10)) == 0  # a clock that is behind
    assert Throttle.full("x", Pace(), NOW).room(1000, Pace(), NOW) == 1000


def test_a_busy_server_gets_longer_rests():
    throttle, rests = Throttle.full("x", Pace(), NOW), []
    for _ in range(10):
        throttle = throttle.struck(NOW)
        assert throttle.rests_until
        rests.append((throttle.rests_until - NOW).total_seconds())
    assert rests == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert not throttle.recovered().rests(NOW)


@pytest.mark.parametrize(
    ("url", "host", "port", "start_tls", "tls"),
    [
        ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, None, False),
        ("smtp://mail.example", "mail.example", 25, None, False),
        ("smtp://u:p%40ss@mail.example", "mail.example", 587, True, False),
        ("smtp://u:p@127.0.0.1:25", "127.0.0.1", 25, None, False),
        ("smtp://u:p@mail.example:25?starttls=never", "mail.example", 25, False, False),
        ("smtp://mail.example?starttls=required", "mail.example", 25, True, False),
        ("smtps://u:p@mail.example", "mail.example", 465, False, True),
    ],
)
def test_a_mail_server_s_address(url: str, host: str, port: int, start_tls: bool | None, tls: bool):
    server = parse_mail_server(url)
    assert (server.host, server.port, server.start_tls, server.tls) == (host, port, start_tls, tls)
    assert "p%40ss" not in repr(server)
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    "url", ["", "mail.example", "http://mail.example", "smtp://", "smtp://h?starttls=no", "smtp://h?x=1", "smtp://h:x"]
)
def test_an_address_that_is_none(url: str):
    with pytest.raises(ValueError, match=r".+"):
        parse_mail_server(url)
