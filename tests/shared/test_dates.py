from datetime import datetime

import pytest

from shared.web.dates import span


@pytest.mark.parametrize(
    ("starts", "ends", "zone", "danish", "english"),
    [
        (
            "2027-02-09T14:00",
            "2027-02-09T17:00",
            "Europe/Copenhagen",
            "tirsdag den 9. februar 2027 kl. 14.00–17.00",
            "Tuesday 9 February 2027, 14:00–17:00",
        ),
        (
            "2027-05-01T09:05",
            "2027-05-02T12:00",
            "Europe/Copenhagen",
            "lørdag den 1. maj 2027 kl. 09.05 til søndag den 2. maj 2027 kl. 12.00",
            "Saturday 1 May 2027, 09:05 to Sunday 2 May 2027, 12:00",
        ),
        (
            "2027-12-31T08:00",
            "2027-12-31T09:00",
            "America/Nuuk",
            "fredag den 31. december 2027 kl. 08.00–09.00 (lokal tid, America/Nuuk)",
            "Friday 31 December 2027, 08:00–09:00 (local time, America/Nuuk)",
        ),
    ],
)
def test_from_when_to_when(starts, ends, zone, danish, english):
    first, last = datetime.fromisoformat(starts), datetime.fromisoformat(ends)

    assert span(first, last, zone, "da") == danish
    assert span(first, last, zone, "en") == english
