"""A process that serves looks for garbage rarely, and never again at what its start has made."""

import subprocess
import sys

SERVING = """
import gc
import uvicorn
from shared.web import server
from tests.shared.test_collecting import started

uvicorn.Server.run = lambda _: print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0], gc.isenabled())
server.serve(started)
"""


def started() -> object:
    """As much of an application as `serve` asks for."""
    from starlette.applications import Starlette

    from shared.settings import ServiceSettings

    app = Starlette()
    app.state.settings = ServiceSettings()
    return app


def test_what_the_start_has_made_is_never_looked_at_again():
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "20000", "True"], done.stderr
