"""`python -m deploy.skeleton <name> [--into <repository>]`."""

import argparse
import sys
from pathlib import Path

from deploy.skeleton.making import NEXT, Impossible, make

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Exit code 1 where the service cannot be made."""
    parser = argparse.ArgumentParser("python -m deploy.skeleton", description="Makes a small whole service.")
    parser.add_argument("name", help="lower-case letters: the folder, the exchange and the settings are named so")
    parser.add_argument("--into", type=Path, default=ROOT, metavar="DIR", help="a copy of this repository")
    options = parser.parse_args()
    try:
        made = make(options.name, options.into)
    except Impossible as problem:
        print(problem, file=sys.stderr)
        return 1
    for path in made:
        print(path)
    print(NEXT.format(name=options.name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
