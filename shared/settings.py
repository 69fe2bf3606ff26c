"""Settings of a service: environment variables with the service's prefix, each also as `<NAME>_FILE`.

An invalid setting stops the start with one line that names the variable (`load`). Secrets are `SecretStr`, so that
neither a log line nor an error can show them.
"""

import difflib
import os
import re
import sys
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.web.links import parse_keys

NAMES_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?$")
"""Kubernetes puts these into every container for a Service of our name: not settings, and no typing errors."""


class SettingError(Exception):
    """A variable of the environment that cannot be used: its name and what is wrong with it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    parts = urlsplit(url)
    return parts.scheme in schemes and bool(parts.hostname)


UNVERIFIED = {"no_verify_ssl", "tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"}
"""Options by which the drivers would take any certificate for the server's: TLS that protects from nobody."""
PEM_FILES = {"cafile", "certfile", "keyfile", "tlscafile", "tlscertificatekeyfile"}


def check_tls(url: str) -> None:
    """ValueError where a URL's options switch the look at certificates off, or name a file that is not there."""
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name.lower() in PEM_FILES and not os.access(value, os.R_OK):
            raise ValueError(f"{name} names no file that can be read")
        if name.lower() in UNVERIFIED:
            raise ValueError(f"{name} is not taken; name the CA that signed the server's certificate instead")


def _amqp_url(value: SecretStr) -> SecretStr:
    if not _is_url(value.get_secret_value(), ("amqp", "amqps")):
        raise ValueError("must be amqp://user:password@host:port/ (or amqps://)")
    check_tls(value.get_secret_value())
    return value


def _store_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not re.fullmatch(r"sqlite:///.+|mongodb(\+srv)?://[^/]+/[^/?]+.*", url):
        raise ValueError("must be sqlite:///<file> or mongodb://<host>/<database>")
    check_tls(url)
    return value


def _public_url(url: str) -> str:
    parts = urlsplit(url)
    if not _is_url(url, ("http", "https")) or parts.query or parts.fragment:
        raise ValueError("must be http(s)://host without query or fragment")
    return url.rstrip("/")


def _link_keys(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        parse_keys(value.get_secret_value())
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, separated by commas") from None


def _own_address(data: dict[str, Any]) -> str:
    host = data.get("http_host", "")
    return f"http://{'127.0.0.1' if host in {'', '0.0.0.0', '::'} else host}:{data.get('http_port', 8080)}"  # noqa: S104


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A comma-separated list."""
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_split)]
Delays = Annotated[tuple[Annotated[float, Field(gt=0)], ...], NoDecode, BeforeValidator(_split), Field(max_length=9)]
Keys = Annotated[SecretStr, AfterValidator(_link_keys)]
"""Keys that sign links: `kid:secret[,kid:secret]`, see `shared.web.links`."""


class ServiceSettings(BaseSettings):
    """What every service is set by. A service subclasses it with its own prefix and further fields:

        class Settings(ServiceSettings):
            model_config = SettingsConfigDict(env_prefix="SUPPLIER_")

    A service that signs links makes them required by declaring `link_keys: Keys` again.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True)

    amqp_url: Annotated[SecretStr, AfterValidator(_amqp_url)]
    """Default: user, password and host of a broker on this machine, named as the service. TLS with amqps://, and
    `?cafile=` where the CA is none that the system knows; `certfile=`, `keyfile=` where the broker wants to see one."""
    store_url: Annotated[SecretStr, AfterValidator(_store_url)]
    """`sqlite:///<file>` (default: <service>.db in the working directory) or `mongodb://<host>/<database>`."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(8080, ge=1, le=65535)
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(default_factory=_own_address, validate_default=True)
    """The base of links in mails, without a slash at its end."""
    http_rate: float = Field(120, gt=0)
    """Requests a minute that one address may make on average (health and metrics apart)."""
    http_burst: int = Field(100, ge=1)
    """Requests that one address may make at once."""
    http_body_bytes: int = Field(1_048_576, ge=1)
    trusted_proxies: Networks = ()
    """Networks whose X-Forwarded-For is believed."""
    prefetch: int = Field(100, ge=1, le=2000)
    """Messages handled side by side."""
    retry_delays: Delays = (1, 5, 30, 300, 1800)
    """Seconds before each further try of a message that failed."""
    trusted_users: Words = ("operator",)
    """Broker users that may send anything, in anybody's name."""
    link_keys: Keys = SecretStr("")
    address_key: SecretStr = SecretStr("")
    """Makes ids of addresses that nobody can guess: of persons who were erased, of subscribers. Give it a long random
    value before the first start and never change it: they are found by it."""
    shutdown_seconds: float = Field(20, gt=0, le=3600)
    """Grace for what is in hand when the service is told to stop."""
    log_format: Literal["json", "console"] = Field(
        default_factory=lambda: "console" if sys.stderr.isatty() else "json"  # people read terminals, programs the rest
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(lambda v: v.lower() if isinstance(v, str) else v)
    ] = "info"

    @classmethod
    def service(cls) -> str:
        """The service's name: its prefix in lower case."""
        return cls.model_config.get("env_prefix", "").rstrip("_").lower()

    @model_validator(mode="before")
    @classmethod
    def _named_as_the_service(cls, data: Any) -> Any:
        name = cls.service()
        return {
            "amqp_url": f"amqp://{name}:{name}@127.0.0.1:5672/",
            "store_url": f"sqlite:///{name or 'service'}.db",
        } | dict(data)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over files, files and variables exclude each other."""
        return init_settings, FileForms(settings_cls), env_settings


class FileForms(PydanticBaseSettingsSource):
    """Reads `<NAME>_FILE`: the path of a file whose stripped content is the value of `<NAME>` (Docker secrets)."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """The content of the file, or None where no file is named."""
        return from_file(variable(self.settings_cls, field_name)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values of all fields that come from files."""
        values = {name: self.get_field_value(f, name)[0] for name, f in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def from_file(name: str) -> str | None:
    """The content of the file that `<NAME>_FILE` names; None where none is named. SettingError where both are set."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return None
    if os.environ.get(name):
        raise SettingError(f"{name}_FILE", f"{name} is set too; set only one of them")
    return _content(f"{name}_FILE", path)


def _content(name: str, path: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingError(name, f"the file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingError(name, "the file is not UTF-8 text") from None
    if not content:
        raise SettingError(name, "the file is empty")  # a secret that was not handed out must not become none
    return content


def variable(settings: type[BaseSettings], field: str) -> str:
    """The environment variable of a field."""
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def load[S: ServiceSettings](settings: type[S]) -> S:
    """The settings from the environment. Where one is invalid: one line on stderr, and the process ends with code 2.

    A variable with the service's prefix that is no setting is told on stderr, with the name that may have been meant.
    """
    try:
        loaded = settings()
    except ValidationError as error:
        _stop("; ".join(_all_said(settings, error)))
    except SettingError as error:
        _stop(str(error))
    for line in unknown(settings, os.environ):
        print(f"warning: {line}", file=sys.stderr)  # noqa: T201 - logs are not set up before the settings are read
    return loaded


def unknown(settings: type[BaseSettings], environment: Mapping[str, str]) -> list[str]:
    """What is said of each variable that has the service's prefix and sets nothing."""
    names = [variable(settings, field) for field in settings.model_fields]
    known = {*names, *(f"{name}_FILE" for name in names)}
    prefix = settings.model_config.get("env_prefix", "").upper() or "\0"
    lines = []
    for name in sorted(environment):
        if name.upper().startswith(prefix) and name.upper() not in known and not NAMES_OF_KUBERNETES.search(name):
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
            lines.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return lines


def _all_said(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    """One sentence for each field; a default that could not be made from another field's value is no news."""
    said: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        if each["type"] != "default_factory_not_called":
            said.setdefault(str(each["loc"][:1]), _said(settings, dict(each)))
    return list(said.values())


def _said(settings: type[BaseSettings], error: dict[str, Any]) -> str:
    field = str(error["loc"][0]) if error["loc"] else ""
    name = variable(settings, field) if field else "settings"
    if error["type"] == "missing":
        return f"{name}: is missing; set it or {name}_FILE"
    if os.environ.get(f"{name}_FILE"):
        name += "_FILE"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"


def _stop(line: str) -> NoReturn:
    print("invalid setting:", " ".join(line.split()), file=sys.stderr)  # noqa: T201
    raise SystemExit(2)
