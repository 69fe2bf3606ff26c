"""A text in the person's own editor."""

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.cli.problem import CliError


def edit(text: str, suffix: str = ".json") -> str:
    """What the person makes of it. It lies in a directory that only this user may look into, and only meanwhile."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with TemporaryDirectory(prefix="rummelig-") as folder:
        file = Path(folder, f"message{suffix}")
        file.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run([*editor, str(file)], check=False)  # noqa: S603 - the person's own choice
        except OSError as error:
            raise CliError(f"cannot start {editor[0]!r} ({error.strerror}): set EDITOR, or use replay --file") from None
        if done.returncode:
            raise CliError(f"{editor[0]!r} ended with {done.returncode}: nothing was sent")
        return file.read_text(encoding="utf-8")
