r"""Prints a prometheus.yml for the embedded system, with the same rules as everywhere:

    RUMMELIG_BROKER_METRICS_PORT=15692 ./rummelig up --detach
    .venv/bin/python -m deploy.observability > .rummelig/prometheus.yml
    prometheus --config.file=.rummelig/prometheus.yml --storage.tsdb.path=.rummelig/prometheus \
        --web.listen-address=127.0.0.1:9090

Prometheus is Debian's package `prometheus`, or any other from 2.42 on. Without the variable the broker tells
nothing: its alerts then stay away, all others do not.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deploy.local.home import Home
from deploy.local.problem import Problem
from deploy.local.system import System

FOLDER = Path(__file__).parent


def embedded(http: Mapping[str, str], broker_port: int | None) -> str:
    """The configuration for services at these addresses, and a broker that tells its metrics at this port, if any."""
    config: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["rule_files"] = [str(FOLDER / file) for file in config["rule_files"]]
    services = [{"targets": [urlsplit(url).netloc], "labels": {"service": name}} for name, url in http.items()]
    broker = [{"targets": [f"127.0.0.1:{broker_port}"]}]
    for job in config["scrape_configs"]:
        job["static_configs"] = services if job["job_name"] == "rummelig" else broker
    config["scrape_configs"] = [j for j in config["scrape_configs"] if j["job_name"] == "rummelig" or broker_port]
    return yaml.safe_dump(config, sort_keys=False)


if __name__ == "__main__":
    try:
        http = System(Home.chosen()).endpoints()["http"]
    except Problem as problem:
        sys.exit(str(problem))
    print(embedded(http, int(os.environ.get("RUMMELIG_BROKER_METRICS_PORT") or 0) or None), end="")
