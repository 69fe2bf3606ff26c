"""The operator's and integrator's commands over a broker: the same in a checkout (./rummelig) and in a container."""

from shared.cli.commands import main

__all__ = ["main"]
