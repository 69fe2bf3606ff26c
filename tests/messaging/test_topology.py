"""The topology as data: what must hold of it whatever the services are."""

import pytest

from deploy.rabbitmq.definitions import topologies
from shared.messaging.topology import Topology, events_log

TOPOLOGY = Topology("beta", {"alpha": ["born.v1", "grown.v2"]}, ["told.v1"])


def test_every_queue_outlives_a_node_and_loses_nothing_when_it_dead_letters():
    for queue in (*TOPOLOGY.queues(), events_log()):
        assert queue.arguments["x-queue-type"] in ("quorum", "stream")
        if "x-dead-letter-exchange" in queue.arguments:
            assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
            assert queue.arguments["x-overflow"] == "reject-publish"


def test_crash_loops_end_on_input_queues_and_looking_never_uses_up_the_others():
    limits = {q.name: q.arguments["x-delivery-limit"] for q in TOPOLOGY.queues()}
    assert {name for name, limit in limits.items() if limit == 20} == set(TOPOLOGY.inputs)
    assert min(limit for name, limit in limits.items() if name not in TOPOLOGY.inputs) >= 1_000_000_000


def test_a_retry_tier_is_named_by_its_delay_so_that_another_delay_is_another_queue():
    assert [TOPOLOGY.retry(n) for n in (1, 2, 5)] == ["beta.retry.1000", "beta.retry.5000", "beta.retry.1800000"]
    assert TOPOLOGY.retry(6) is None
    delays = {q.name: q.arguments["x-message-ttl"] for q in TOPOLOGY.queues() if ".retry." in q.name}
    assert delays["beta.retry.1000"] == 1000


def test_the_log_is_bounded_in_time():
    assert events_log().arguments["x-max-age"] == "30D"


@pytest.mark.parametrize("topology", topologies(), ids=lambda t: t.service)
def test_every_binding_of_a_service_has_both_ends(topology):
    exchanges = {e.name for t in topologies() for e in t.exchanges()}
    queues = {q.name for q in topology.queues()}
    for binding in topology.bindings():
        assert binding.source in exchanges
        assert binding.destination in (exchanges if binding.to_exchange else queues)


@pytest.mark.parametrize("topology", topologies(), ids=lambda t: t.service)
def test_a_service_publishes_through_its_outbox_and_hears_only_what_it_consumes(topology):
    sources = {b.source for b in topology.bindings()}
    assert f"{topology.service}.outbox" in sources
    foreign = {source for source in sources if not source.startswith(f"{topology.service}.")}
    assert foreign == {f"{publisher}.events" for publisher in topology.consumes}
