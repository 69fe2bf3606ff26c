"""Error pages: what happened and what to do now, in Danish or English, and nothing from within."""

from collections.abc import Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler, Scope

from shared.store.errors import Unavailable
from shared.web.pages import Pages, language_of

log = structlog.get_logger()
PAGES = Pages()
RETRY_SECONDS = 10
"""After which a page may be asked for again when the store is away."""

SAYINGS: dict[int, tuple[tuple[str, str], tuple[str, str]]] = {
    400: (
        ("Det kunne vi ikke forstå", "We could not understand that"),
        ("Gå tilbage, og prøv igen.", "Go back and try again."),
    ),
    403: (
        ("Det har du ikke adgang til", "You have no access to this"),
        ("Brug linket fra vores seneste mail til dig.", "Use the link in our latest mail to you."),
    ),
    404: (
        ("Siden findes ikke", "There is no such page"),
        (
            "Adressen er måske blevet klippet over i mailen. Kopiér hele linket, eller brug linket i en nyere mail.",
            "The address may have been cut in the mail. Copy the whole link, or use the link in a newer mail.",
        ),
    ),
    405: (
        ("Det kan man ikke gøre her", "That cannot be done here"),
        ("Gå tilbage, og brug knappen på siden.", "Go back and use the button on the page."),
    ),
    413: (
        ("Det var for stort", "That was too large"),
        ("Send mindre på én gang.", "Send less at a time."),
    ),
    429: (
        ("Vent et øjeblik", "Wait a moment"),
        (
            "Der er kommet mange forespørgsler fra din forbindelse. Prøv igen om lidt.",
            "Many requests came from your connection. Try again in a little while.",
        ),
    ),
    500: (
        ("Noget gik galt hos os", "Something went wrong on our side"),
        (
            "Fejlen er noteret. Prøv igen senere; det, du har sendt før, er ikke gået tabt.",
            "The error has been noted. Try again later; what you sent before is not lost.",
        ),
    ),
    503: (
        ("Vi er her straks igen", "We will be back in a moment"),
        ("Prøv igen om lidt.", "Try again in a little while."),
    ),
}


def error_page(scope: Scope, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The page of an HTTP status; one that we have no words for gets those of 400 or 500."""
    heading, advice = SAYINGS.get(status) or SAYINGS[500 if status >= 500 else 400]
    which = 1 if language_of(scope) == "en" else 0
    return PAGES.render(
        Request(scope), "error.html", status=status, headers=headers, heading=heading[which], advice=advice[which]
    )


def handlers() -> dict[type[Exception] | int, ExceptionHandler]:
    """What Starlette is to do with exceptions that leave a page."""
    return {HTTPException: _on_http, Unavailable: _on_unavailable}


def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    if status in {204, 304}:
        return Response(status_code=status, headers=headers)
    return error_page(request.scope, status, headers)


def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("store_away", error=str(error), path=request.url.path)
    return error_page(request.scope, 503, {"Retry-After": str(RETRY_SECONDS)})
