"""The tools that sbom and audit use, in an environment of their own: they are no part of what they look at."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("tools.lock")
LOCKS = sorted((ROOT / "deploy" / "locks").glob("*.lock"))
"""One for each image."""


class NoTools(Exception):
    """They cannot be installed from here."""


def program(name: str, folder: Path = ROOT / ".rummelig-security") -> Path:
    """The path of a tool, installed by the hashes in tools.lock on first use. NoTools where that cannot be."""
    stamp, wanted = folder / "installed.lock", LOCK.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        venv.create(folder, with_pip=True, clear=True)
        command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--require-hashes", "--no-deps", "--prefer-binary", "--requirement", str(LOCK)]
        installed = subprocess.run(command, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise NoTools(f"the tools cannot be installed: {installed.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "bin" / name


def say(line: str) -> None:
    """For whoever runs it; results go to stdout or to files."""
    print(line, file=sys.stderr)
