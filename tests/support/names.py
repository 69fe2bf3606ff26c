"""Names that are new each time."""

import uuid

LETTERS = str.maketrans("0123456789", "ghijklmnop")


def new_name() -> str:
    """Of letters alone: among random digits there is now and then what looks like a CPR number, and is refused."""
    return uuid.uuid4().hex.translate(LETTERS)
