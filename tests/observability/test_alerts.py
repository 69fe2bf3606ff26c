"""Alerts: right in promtool's eyes, each tested both ways, over metrics that are there, explained in the runbook."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from shared.observability.metrics import Metrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
GROUPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana/dashboards/rummelig.json").read_text())
RUNBOOK = (ROOT / "docs/runbook.md").read_text()

OTHERS = {
    *("up", "ALERTS"),  # Prometheus's own
    *("rabbitmq_alarms_memory_used_watermark", "rabbitmq_alarms_free_disk_space_watermark"),
    *("rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_consumers"),
}
"""Metrics that are not ours: of RabbitMQ's plugin (3.10 and 4.0 have these) and of Prometheus itself."""

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: it comes with Debian's package prometheus"
)


def told() -> set[str]:
    """Names of all series that a service tells once each of its counters counted."""
    metrics = Metrics("events")
    metrics.consumed("q", "t", "done")
    metrics.retried("q", "t")
    metrics.dead_lettered("q", "invalid")
    metrics.dead_letters("events", 1)
    metrics.duplicate("q")
    metrics.unrouted("t")
    metrics.mail("campaign", "sent")
    metrics.handled("t", 1)
    metrics.http(200, 1)
    families = text_string_to_metric_families(metrics.render()[0].decode())
    return {sample.name for family in families for sample in family.samples}


def names_in(expression: str) -> set[str]:
    """Metrics that an expression asks for."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(by|on) \([^)]*\)', " ", expression)
    return set(re.findall(r"\b(?:rummelig|rabbitmq|process)[_:][\w:]+|\bup\b|\bALERTS\b", bare))


@promtool
@pytest.mark.parametrize(
    "arguments", ["check config prometheus.yml", "check rules alerts.yml", "test rules alerts.test.yml"]
)
def test_promtool_is_content(arguments: str):
    done = subprocess.run(["promtool", *arguments.split()], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_both_ways():
    tests = [test["name"] for test in yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]]
    assert sorted(tests) == sorted(f"{alert} {word}" for alert in ALERTS for word in ("fires", "is quiet"))


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_leads_to_what_to_do(alert: str):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"
    section = re.search(rf"^#+ {alert}$(.*?)(?=^#|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section, f"docs/runbook.md has no section {alert}"
    missing = [word for word in ("**Means**", "**Look**", "**Do**", "**Tried**") if word not in section[1]]
    assert missing == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_what_is_told(rule: dict[str, Any]):
    recorded = {each["record"] for each in RULES if "record" in each}
    asked = names_in(rule["expr"])
    assert asked
    assert asked - told() - OTHERS - recorded == set()


def test_the_dashboard_asks_for_what_is_told():
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    assert len(expressions) > 15
    assert [(e, names_in(e)) for e in expressions if not names_in(e) or names_in(e) - told() - OTHERS] == []


def test_the_dashboard_asks_a_source_that_is_provided():
    provided = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/rummelig.yml").read_text())["datasources"]
    asked = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert asked <= {source["uid"] for source in provided}


def test_unrouted_events_are_known_within_10_seconds():
    from shared.messaging.unrouted import LOOK_SECONDS

    (at_once,) = [group for group in GROUPS if group["name"] == "rummelig-at-once"]
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (scrape,) = [job["scrape_interval"] for job in jobs if job["job_name"] == "rummelig"]
    assert [rule["alert"] for rule in at_once["rules"] if not rule.get("for")] == ["RummeligUnroutedEvents"]
    assert LOOK_SECONDS + seconds(scrape) + seconds(at_once["interval"]) < 10


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))
