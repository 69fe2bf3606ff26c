"""What machines ask a service: does it live, is it ready and if not why, and its metrics."""

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.observability.masking import mask_text
from shared.observability.metrics import Metrics

LONGEST = 300
"""Characters of one reason."""


def health_routes(reasons: Callable[[], Sequence[str]], metrics: Metrics) -> list[Route]:
    """Routes `/livez` (answers as long as the loop turns), `/readyz` (200, or 503 with reasons) and `/metrics`.

    `reasons` tells at once, from what is known, why the service is not ready; nothing when it is.
    """

    async def live(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def ready(_: Request) -> Response:
        said = [mask_text(reason)[:LONGEST] for reason in reasons()]  # anybody may ask; drivers say what they like
        return JSONResponse({"ready": not said, "reasons": said}, 503 if said else 200)

    async def scrape(_: Request) -> Response:
        body, content_type = metrics.render()
        return Response(body, media_type=content_type)

    return [Route("/livez", live), Route("/readyz", ready), Route("/metrics", scrape)]
