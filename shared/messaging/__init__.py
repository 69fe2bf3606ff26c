"""How messages travel: topology, consuming, outbox relay, retries, dead letters, replay."""
