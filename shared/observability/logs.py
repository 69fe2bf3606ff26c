"""Logs: one structured record per line, personal data masked, JSON for programs and readable in a terminal.

The records of libraries (the standard library's logging) go the same way. `structlog.contextvars.bound_contextvars`
adds what is common to all records of a message, such as its correlation id.
"""

import contextlib
import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO, override

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.observability.failures import describe
from shared.observability.masking import MASK, mask, mask_text
from shared.settings import ServiceSettings

FIRST = ("time", "level", "service", "event")
"""Keys that every record starts with; the values are made here and by the programmer, not by the data."""
OWN_LEVELS = {
    "aio_pika": logging.WARNING,  # tells every reconnect twice
    "aiormq": logging.ERROR,  # reports each lost connection that the layer above handles
    "asyncio": logging.WARNING,
    "httpx": logging.WARNING,
    "motor": logging.WARNING,
    "pymongo": logging.WARNING,
    "urllib3": logging.WARNING,
}
# What a terminal or a line-based reader would act on: controls, separators, direction marks, lone surrogates.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
COLOURS = {"debug": 2, "info": 32, "warning": 33, "error": 31, "critical": 31}


def configure(settings: ServiceSettings, stream: TextIO | None = None) -> None:
    """Send the records of structlog and of the standard library to `stream` (default stderr) as the settings say."""
    out = stream or sys.stderr
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _Standard(settings.service()),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger made before this call, at import, follows it too
    )
    render = as_json if settings.log_format == "json" else _Terminal(colours=out.isatty())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *common],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _failure, _masked, render],
        pass_foreign_args=False,
    )
    handler = _Handler(stream)
    handler.setFormatter(formatter)
    _take_over(handler, settings.log_level.upper())


def _take_over(handler: logging.Handler, level: str) -> None:
    """Make this the only way out for all loggers, those that libraries have set up for themselves included."""
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.disabled = False  # logging.config switches off what it does not name
    for name, least in OWN_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _crashed


class _Handler(logging.Handler):
    """Writes to the stream, or to what is stderr at that time. A record that cannot be written is lost with one line
    that holds nothing of it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._given = stream

    @override
    def emit(self, record: logging.LogRecord) -> None:
        stream = self._given or sys.stderr
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - whatever a library passed in, logging must not stop the work
            line = f"log record of {escape(record.name)} lost: {type(error).__name__}"
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            stream.write(line + "\n")
            stream.flush()


class _Standard:
    """Adds what every record has: time, service, and for a library's record the logger's name."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG002
        record = event.get("_record")
        if record is not None:
            event["logger"] = record.name
            event.pop("color_message", None)  # uvicorn says everything twice
        event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event["service"] = self._service
        return event


def _failure(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Turns `exc_info` into data under `exception`."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = describe(error)
    event.pop("stack_info", None)
    return event


def _masked(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Masks everything but the service's own name and the exception, which masked itself; puts the first keys first."""
    masked = {key: event[key] for key in FIRST if key in event}
    masked["event"] = mask_text(str(event.get("event", "")))
    for key, value in event.items():
        if key == "exception":
            masked[key] = value
        elif key not in FIRST:
            masked[key] = _tried(key, value)
    return masked


def _tried(key: str, value: Any) -> Any:
    try:
        return mask(value, key)
    except Exception:  # noqa: BLE001 - a value that cannot even be shown must not lose the record
        return MASK


def escape(text: str) -> str:
    """The text with everything that could forge a line or steer a terminal written as its code point."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_json(logger: WrappedLogger, method: str, event: EventDict) -> str:  # noqa: ARG001
    """One line of JSON. What the JSON encoder leaves as it is (separators, surrogates) is escaped after it."""
    return escape(json.dumps(event, ensure_ascii=False, default=str, allow_nan=True))


class _Terminal:
    """One line for people; the frames of an exception follow, indented."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:  # noqa: ARG002
        level = str(event.get("level", "info"))
        rest = {key: value for key, value in event.items() if key not in {*FIRST, "exception"}}
        pairs = " ".join(f"{key}={escape(value if _plain(value) else as_text(value))}" for key, value in rest.items())
        lines = [
            f"{str(event['time'])[11:23]} {self._painted(level, f'{level:7}')} {event['service']:13} "
            f"{escape(str(event['event']))} {pairs}".rstrip()
        ]
        return "\n".join([*lines, *_indented(event.get("exception"))])

    def _painted(self, level: str, text: str) -> str:
        return f"\x1b[{COLOURS.get(level, 0)}m{text}\x1b[0m" if self._colours else text


def _plain(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not re.search(r'[\s="]', value)


def as_text(value: Any) -> str:
    """A value as JSON: quoted, so that what stands in it cannot pass for another key."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _indented(error: dict[str, Any] | None, word: str = "") -> list[str]:
    if error is None:
        return []
    lines = [f"    {word}{error['type']}: {escape(error['message'])}", *(f"      at {f}" for f in error["frames"])]
    for member in error.get("members", ()):
        lines += _indented(member, "one of: ")
    return lines + _indented(error.get("because"), "because of ")


def _crashed(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """The last words of a process, as a record like any other."""
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().critical("crashed", exc_info=error.with_traceback(trace))  # type: ignore[arg-type]
