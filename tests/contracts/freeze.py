"""Golden messages: envelopes as they were once sent, kept for ever. `python -m tests.contracts.freeze` adds what lacks.

A file that exists is never written again: it stands for messages that are under way, in queues, in the log, or come
from programs that nobody will change. Where a message has got new optional fields, the same call adds one more file,
`<type>.2.json`, that has them. A change that old files do not survive needs a new version of the message instead.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shared.contracts.base import Message
from shared.contracts.examples import example_envelope
from shared.contracts.known import all_messages

GOLDEN = Path(__file__).with_name("golden")


def goldens(model: type[Message], folder: Path = GOLDEN) -> list[Path]:
    """The golden files of a message, the oldest first."""
    first = folder / f"{model.type()}.json"
    later = folder.glob(f"{model.type()}.*.json")
    return [path for path in (first, *sorted(later, key=_number)) if path.exists()]


def freeze(models: Iterable[type[Message]], folder: Path = GOLDEN) -> list[Path]:
    """Write the golden files that lack; returns them."""
    written = []
    for model in models:
        envelope, files = json.loads(example_envelope(model).to_json()), goldens(model, folder)
        if any(_has_fields(json.loads(path.read_text(encoding="utf-8"))["data"], envelope["data"]) for path in files):
            continue
        path = folder / (f"{model.type()}.{_number(files[-1]) + 1}.json" if files else f"{model.type()}.json")
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(envelope, indent=2, ensure_ascii=False) + "\n")
        written.append(path)
    return written


def _number(path: Path) -> int:
    last = path.stem.rpartition(".")[2]
    return int(last) if last.isdigit() else 1


def _has_fields(old: Any, new: Any) -> bool:
    """Whether the old document has every field of the new one, whatever stands in them."""
    if isinstance(new, dict):
        return isinstance(old, dict) and all(key in old and _has_fields(old[key], new[key]) for key in new)
    if isinstance(new, list) and isinstance(old, list) and new and old:
        return _has_fields(old[0], new[0])
    return True


if __name__ == "__main__":
    for frozen in freeze(all_messages()):
        print(f"new: {frozen.relative_to(Path.cwd())}")
