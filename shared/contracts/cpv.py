"""The Common Procurement Vocabulary: codes, their check digits, and who is above whom.

Source: regulation (EC) No 213/2008. `cpv.csv` beside this file is a starter set: the 45 divisions and some
hundred codes that social enterprises offer. A code outside it is taken when its form is right.
"""

import csv
import re
from functools import cache
from pathlib import Path

CODE = re.compile(r"([0-9]{8})(?:-([0-9]))?")
STARTER = Path(__file__).with_name("cpv.csv")


@cache
def starter() -> dict[str, tuple[str, str, str]]:
    """Eight digits -> (check digit, Danish label, English label) of the starter set."""
    with STARTER.open(encoding="utf-8", newline="") as file:
        return {row["code"][:8]: (row["code"][9], row["da"], row["en"]) for row in csv.DictReader(file)}


def check_code(text: str) -> str:
    """The eight digits of a CPV code given with or without its check digit.

    The check digit follows no published formula, so it is compared where the starter set knows it.
    ValueError for another form, an unknown division, or a check digit that does not belong to the code.
    """
    found = CODE.fullmatch(text.strip())
    if not found or found[1][:2] + "000000" not in starter():
        raise ValueError("is not a CPV code: eight digits in a known division, such as 90910000 or 90910000-9")
    code, digit = found[1], found[2]
    known = starter().get(code)
    if digit and known and known[0] != digit:
        raise ValueError(f"has the wrong check digit: the digit of this code is {known[0]}; it may be left out")
    return code


def stem(code: str) -> str:
    """The digits that carry meaning: division (2), group (3), class (4), category (5), finer (6 to 8)."""
    return code.rstrip("0").ljust(2, "0")


def related(one: str, other: str) -> bool:
    """Whether one code is the other, or stands above or below it in the tree."""
    a, b = stem(one), stem(other)
    return a.startswith(b) or b.startswith(a)


def line(code: str) -> list[str]:
    """The code and all above it, nearest first: 90919200 gives 90919200, 90919000, 90910000, 90900000, 90000000."""
    digits = stem(code)
    return [digits[:n].ljust(8, "0") for n in range(len(digits), 1, -1) if n == 2 or digits[n - 1] != "0"]
