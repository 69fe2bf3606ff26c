"""What a person reads on a page."""

import re
from html import unescape

from httpx import Response


def text(response: Response) -> str:
    """The words of its main part."""
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text.split("<main")[1])).split())
