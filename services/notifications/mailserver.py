"""Where mails go out: the address of the mail server as a URL."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
StartTls = Literal["required", "auto", "never"]
STARTTLS: dict[str, StartTls] = {"required": "required", "auto": "auto", "never": "never"}


@dataclass(frozen=True)
class MailServer:
    """`starttls` auto: encrypted where the server can. A password is sent over an encrypted connection only, unless the
    server is this machine or `never` is asked for. The server's certificate has to be good for `host`; `cafile` names
    the CA where the system does not know it.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    starttls: StartTls = "auto"
    cafile: str | None = None

    @property
    def start_tls(self) -> bool | None:
        """As aiosmtplib takes it: None is auto."""
        if self.tls or self.starttls == "never":
            return False
        secret = self.user is not None and self.host not in LOOPBACK
        return True if self.starttls == "required" or secret else None


def parse_mail_server(url: str) -> MailServer:
    """From `smtp://user:password@host:port?starttls=required&cafile=…`; `smtps://`: TLS from the start. ValueError."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    starttls, cafile = options.pop("starttls", "auto"), options.pop("cafile", None)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or options or parts.path not in {"", "/"}:
        raise ValueError("must be smtp://user:password@host:port?starttls=required (or smtps://)")
    if starttls not in STARTTLS:
        raise ValueError(f"starttls must be {', '.join(STARTTLS)}")
    tls = parts.scheme == "smtps"
    return MailServer(
        host=parts.hostname,
        port=parts.port or (465 if tls else 587 if parts.username else 25),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=tls,
        starttls=STARTTLS[starttls],
        cafile=cafile,
    )
