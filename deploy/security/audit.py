"""Asks whether vulnerabilities are known in any locked package: `python -m deploy.security.audit`.

Further arguments go to pip-audit (such as `--vulnerability-service osv`). Exit code 0: every package was looked up and
nothing is known; 1: something is known, listed on stdout; 2: pip-audit failed; 3: not all could be looked up (no tool,
no vulnerability service reached from here), so nothing can be said. pip-audit itself ends with 0 then.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from deploy.security.tools import ROOT, NoTools, program, say

AWAY = ("ServiceError", "Connection", "HTTPError", "Max retries", "ProxyError", "timed out")


def main(arguments: Sequence[str]) -> int:
    """requirements.lock holds what every image holds, so it is enough."""
    try:
        tool = program("pip-audit")
    except NoTools as error:
        say(str(error))
        return 3
    command = [str(tool), "--require-hashes", "--disable-pip", "--progress-spinner=off", "--timeout=15"]
    command += ["--format=json", "--requirement", str(ROOT / "requirements.lock"), *arguments]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return told(json.loads(asked.stdout)["dependencies"])
    except ValueError:
        away = any(word in asked.stderr for word in AWAY)
        last = asked.stderr.strip().splitlines()[-1:]
        say(f"NOT CHECKED: {'no vulnerability service answers' if away else 'pip-audit failed'}: {last}")
        return 3 if away else 2


def told(packages: Sequence[dict[str, Any]]) -> int:
    """Say what pip-audit found; the exit code."""
    skipped = [each for each in packages if "skip_reason" in each]
    known = [(each, vulnerability) for each in packages for vulnerability in each.get("vulns", ())]
    for each, vulnerability in known:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {vulnerability['id']}, mended in {fixed}")
    if skipped:
        say(f"NOT CHECKED: {len(skipped)} of {len(packages)} packages, such as: {skipped[0]['skip_reason']}")
    elif not known:
        print(f"{len(packages)} packages looked up, no vulnerability is known")
    return 1 if known else 3 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
