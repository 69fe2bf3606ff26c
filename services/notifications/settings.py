"""What the notifications service is set by: variables that begin with NOTIFICATIONS_."""

from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.notifications.composing.signing import DkimSigner
from services.notifications.mailserver import MailServer, parse_mail_server
from shared.settings import Delays, Keys, ServiceSettings, check_tls


def _smtp_url(value: SecretStr) -> SecretStr:
    parse_mail_server(value.get_secret_value())
    check_tls(value.get_secret_value())
    return value


def _dkim_key(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        DkimSigner(value.get_secret_value(), "selector", "domain")
    return value


def _mailbox(text: str) -> str:
    _address(text)
    return text


def _address(text: str) -> Address:
    name, email = parseaddr(text, strict=True)
    if "@" not in email:
        raise ValueError("must be one address such as Rummelig <post@rummelig.example>")
    return Address(name, addr_spec=email)


class Settings(ServiceSettings):
    """The common settings and the mail server. `link_keys` is required: mails carry signed links; `address_key` signs
    return addresses too.
    """

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_")

    link_keys: Keys

    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] = SecretStr("smtp://127.0.0.1:1025")
    """`smtp://user:password@host:port?starttls=required|auto|never`, or `smtps://`; `cafile=` names the CA where the
    system does not know it."""
    smtp_connections: int = Field(45, ge=1, le=100)
    """At most: over 300 mails a second where an answer takes 50 ms, and below the 50 that Postfix takes from one client
    (smtpd_client_connection_count_limit). A server that wants fewer says so: then those go on that it took."""
    smtp_seconds: float = Field(60, gt=0)
    """How long to wait for the server's answer to a command."""
    smtp_data_seconds: float = Field(600, gt=0)
    """How long to wait until it has taken a mail (RFC 5321 §4.5.3.2.6: ten minutes)."""
    smtp_rate: float = Field(0, ge=0)
    """Mails a second on average; 0: as fast as the server takes them."""
    smtp_burst: int = Field(50, ge=1)
    """Mails that may go at once."""

    subscribe_rate: float = Field(60, gt=0)
    """Subscriptions a minute that all people together may ask for on the page, in this process: each may send a mail to
    somebody who never asked. Commands over the broker are not counted."""
    subscribe_burst: int = Field(300, ge=1)
    """And at once."""

    mail_from: Annotated[str, AfterValidator(_mailbox)] = "Rummelig <post@rummelig.example>"
    mail_retry_delays: Delays = (60, 300, 900, 3600, 14400)
    """Seconds before each further try of a mail that was not taken; then the pauses double, up to half a day."""
    mail_give_up_seconds: float = Field(432_000, gt=0)
    """When to stop trying: five days."""
    mail_lease_seconds: float = Field(20, gt=0)
    """How long a mail stays with a worker that gives no sign of life."""

    bounce_maildir: Path | None = None
    """Where the mail server puts what comes back to `bounce+…@` the domain of `mail_from`: a Maildir that is for this
    alone, since what was read is deleted. Without one only what the server says at once is known."""

    dkim_key: Annotated[SecretStr, AfterValidator(_dkim_key)] = SecretStr("")
    """RSA private key in PEM; without one mails are not signed here."""
    dkim_selector: str = Field("rummelig", pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")
    dkim_domain: str = ""
    """The domain that signs; by default that of `mail_from`."""

    @property
    def sender(self) -> Address:
        """Who mails come from."""
        return _address(self.mail_from)

    @property
    def mail_server(self) -> MailServer:
        """Where mails go out."""
        return parse_mail_server(self.smtp_url.get_secret_value())

    @property
    def dkim(self) -> DkimSigner | None:
        """What signs mails, if anything."""
        key = self.dkim_key.get_secret_value()
        return DkimSigner(key, self.dkim_selector, self.dkim_domain or self.sender.domain) if key else None
