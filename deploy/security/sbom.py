"""Writes what each image holds, a file an image, as CycloneDX 1.6 JSON: `python -m deploy.security.sbom [folder]`.

The folder is .rummelig-sbom where none is given.
It is made from deploy/locks/<service>.lock, which is what deploy/Dockerfile installs, hashes included. What the base
image brings is told by the base image's own SBOM. Exit code 3: the tool cannot be installed from here.
"""

import subprocess
import sys
from pathlib import Path

from deploy.security.tools import LOCKS, NoTools, program, say


def main(folder: Path) -> int:
    try:
        tool = program("cyclonedx-py")
    except NoTools as error:
        say(str(error))
        return 3
    folder.mkdir(parents=True, exist_ok=True)
    for lock in LOCKS:
        target = folder / f"{lock.stem}.cdx.json"
        command = [str(tool), "requirements", "--output-reproducible", "--of", "JSON", "--sv", "1.6"]
        subprocess.run([*command, "--output-file", str(target), str(lock)], check=True)
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".rummelig-sbom")))
