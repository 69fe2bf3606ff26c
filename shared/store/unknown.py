"""Keeps what this code does not know: fields that a newer version of the service put inside a field of a document.

Unknown fields of the document itself stay by themselves, since a save sets known fields alone. But a known field is
written as a whole, and inside it what the model does not know would be lost.
"""

from typing import Any

type Known = dict[str, tuple[Any, Any]]
"""Field -> what stands there as this code knows it, and as it is stored."""


def unknown(known: dict[str, Any], stored: dict[str, Any]) -> Known:
    """The fields in which more is stored than this code knows."""
    return {
        name: (known[name], stored[name]) for name in known.keys() & stored.keys() if _more(known[name], stored[name])
    }


def kept(fields: dict[str, Any], found: Known) -> dict[str, Any]:
    """Fields as they are to be written, with what was found unknown in them."""
    return fields | {name: _kept(fields[name], *found[name]) for name in found.keys() & fields.keys()}


def _more(known: Any, stored: Any) -> bool:
    if isinstance(known, dict) and isinstance(stored, dict):
        return any(name not in known or _more(known[name], value) for name, value in stored.items())
    if isinstance(known, list | tuple) and isinstance(stored, list | tuple):
        return any(_more(*pair) for pair in zip(known, stored, strict=False))
    return False


def _kept(new: Any, known: Any, stored: Any) -> Any:
    if new == known:
        return stored
    if isinstance(new, dict) and isinstance(known, dict) and isinstance(stored, dict):
        inner = {n: _kept(v, known[n], stored[n]) if n in known and n in stored else v for n, v in new.items()}
        return inner | {name: value for name, value in stored.items() if name not in known and name not in new}
    if all(isinstance(each, list | tuple) for each in (new, known, stored)) and len(known) == len(stored):
        # An element that was changed is a new one: nobody can say which it was.
        return [stored[known.index(each)] if each in known else each for each in new]
    return new
