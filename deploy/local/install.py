"""Installs RabbitMQ from the distribution, without leaving a second broker running on the machine."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
PACKAGE = "rabbitmq-server"


def install_rabbitmq() -> bool:
    """With apt-get, as root only. False where that is not possible; apt's own words go to stderr when it fails."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print("RabbitMQ is missing: installing Debian's rabbitmq-server with apt-get (about a minute) …", file=sys.stderr)
    with _no_services_started():
        # The lists may be old or not there at all; that is known only when it fails.
        return _apt("install") or (_apt("update") and _apt("install", tell=True))


def _apt(what: str, *, tell: bool = False) -> bool:
    packages = ["--no-install-recommends", PACKAGE] if what == "install" else []
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-y", "-qq", what, *packages]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0 and tell:
        print(done.stdout[-1000:], done.stderr[-2000:], file=sys.stderr)
    return done.returncode == 0


@contextlib.contextmanager
def _no_services_started() -> Iterator[None]:
    """Debian asks policy-rc.d before it starts a service after installing; 101 forbids (invoke-rc.d(8))."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
        if shutil.which("update-rc.d"):  # nor at the next boot
            subprocess.run(["update-rc.d", PACKAGE, "disable"], capture_output=True, check=False)
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)
