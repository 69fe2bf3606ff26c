"""Exceptions as data for the log: what, where and because of what, but no local variables and no values."""

from pathlib import Path
from traceback import walk_tb
from typing import Any

from pydantic import ValidationError

from shared.observability.masking import mask_text

MOST_FRAMES = 25
MOST_CAUSES = 5


def describe(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """Type, message, frames (outermost first, `file:line function`), the cause, and the members of a group."""
    said: dict[str, Any] = {"type": _name(error), "message": mask_text(message_of(error)), "frames": _frames(error)}
    if depth >= MOST_CAUSES:
        return said
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        said["because"] = describe(cause, depth + 1)
    if isinstance(error, BaseExceptionGroup):
        said["members"] = [describe(each, depth + 1) for each in error.exceptions[:MOST_CAUSES]]
    return said


def message_of(error: BaseException) -> str:
    """What the exception says. pydantic's repeats the values that it refused, so only fields and rules are kept."""
    if isinstance(error, ValidationError):
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors)
    return str(error)


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _frames(error: BaseException) -> list[str]:
    frames = [
        f"{_short(frame.f_code.co_filename)}:{line} {frame.f_code.co_qualname}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    if len(frames) <= MOST_FRAMES:
        return frames
    return [frames[0], f"… {len(frames) - MOST_FRAMES} more …", *frames[-MOST_FRAMES + 1 :]]


def _short(file: str) -> str:
    """The path below site-packages or the working directory, where it lies there."""
    _, found, below = file.rpartition("/site-packages/")
    return below if found else file.removeprefix(f"{Path.cwd()}/")
