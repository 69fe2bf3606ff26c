"""Pages that people see: Jinja2 templates on one calm base, Danish by default and English on request (`?lang=en`).

A service keeps its templates beside its code; they extend `base.html`, fill the blocks `title` (also the h1), `content`
and `footer`, and say a thing in both languages where it stands: `{{ t("Tilmeld", "Sign up") }}`.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from shared.contracts.types import Language

SHARED = Path(__file__).parent / "templates"
STYLE = (SHARED / "style.css").read_text(encoding="utf-8")
STYLE_HASH = f"sha256-{b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}"
"""What the Content-Security-Policy allows: this style and no other."""


class Pages:
    """Renders the templates of some directories (the service's first) and the shared ones."""

    def __init__(self, *directories: Path) -> None:
        self._environment = Environment(
            loader=FileSystemLoader([*directories, SHARED]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["style"] = Markup(STYLE)  # noqa: S704 - our own file

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        language: Language = "da",
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """The template as a page, in the language that the address asks for, else in `language` (the object's own).

        Templates see the values, `lang`, `t(danish, english)` and `switch`, the address in the other language.
        """
        spoken = language_of(request.scope, language)
        page = self._environment.get_template(template).render(
            values
            | {
                "lang": spoken,
                "t": lambda danish, english: danish if spoken == "da" else english,
                "switch": _in_other_language(request.scope, spoken),
            }
        )
        return HTMLResponse(page, status, {"Content-Language": spoken, **(headers or {})})


def language_of(scope: Scope, default: Language = "da") -> Language:
    """The language that `?lang=` asks for, if it is one that we speak."""
    asked = dict(_query(scope)).get("lang")
    return "en" if asked == "en" else "da" if asked == "da" else default


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return []


def _in_other_language(scope: Scope, spoken: Language) -> str:
    """A relative address; none for the answer to a form, which is no page to come back to."""
    if scope.get("method", "GET") not in {"GET", "HEAD"}:
        return ""
    rest = [(key, value) for key, value in _query(scope) if key != "lang"]
    return "?" + urlencode([*rest, ("lang", "en" if spoken == "da" else "da")])
