"""What other people wrote, as a terminal may show it."""


def plain(text: str, keep: str = "") -> str:
    """Without what could move the cursor or colour the terminal; `keep` holds characters that may stay."""
    return "".join(c if c.isprintable() or c in keep else f"\\u{ord(c):04x}" for c in text)
