"""`./rummelig chaos`: a mixed load of all commands under a random schedule of real faults, then the ledger."""

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.chaos.running import run, say, told


def main(arguments: Sequence[str]) -> int:
    """The command; 0 where every run is ok."""
    parser = argparse.ArgumentParser("rummelig chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long load and faults last (60)")
    parser.add_argument("--seed", type=seeds, default=[1], help="a number, or a range such as 1..20 (1)")
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")
    parser.add_argument("--keep", action="store_true", help="keep stores and logs of each run; says where")
    options = parser.parse_args(arguments)
    outcomes = [_one(seed, options.seconds, keep=options.keep) for seed in options.seed]
    ok = all(outcome["ok"] for outcome in outcomes)
    if options.json:
        shown = outcomes[0] if len(outcomes) == 1 else {"ok": ok, "runs": outcomes}
        print(json.dumps(shown, ensure_ascii=False, default=str))
    return 0 if ok else 1


def _one(seed: int, seconds: float, *, keep: bool) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="rummelig-chaos-"))
    try:
        outcome = asyncio.run(run(seed, seconds, folder))
        say(told(outcome))
        return outcome
    finally:
        if keep:
            say(f"  kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def seeds(text: str) -> list[int]:
    """`7` or `1..20`."""
    first, dots, last = text.partition("..")
    return list(range(int(first), int(last) + 1)) if dots else [int(text)]
