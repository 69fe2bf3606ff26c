"""Services that are nothing but a process with an HTTP port: what a supervisor sees of a real one."""

from pathlib import Path

SERVICE = """
import http.server, json, os, pathlib, signal, sys
ready = pathlib.Path("{name}.away")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = dict(os.environ) if self.path == "/environment" else {{"reasons": ["told to be away"]}}
        self.send_response(503 if self.path == "/readyz" and ready.exists() else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def log_message(self, *_): pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.HTTPServer(("127.0.0.1", int(os.environ["{NAME}_HTTP_PORT"])), Handler).serve_forever()
"""
BROKEN = 'raise SystemExit("invalid setting: BROKEN_LEVEL: must be a number")\n'


def repository(root: Path, names: tuple[str, ...] = ("apples", "pears"), code: str = SERVICE) -> Path:
    """A repository with such services."""
    for name in names:
        folder = root / "services" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder.parent / "__init__.py").touch()
        (folder / "messages.py").touch()
        (folder / "__main__.py").write_text(code.format(name=name, NAME=name.upper()))
    return root
