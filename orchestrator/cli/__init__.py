"""The command line of the orchestrator."""

from orchestrator.cli.app import cli

__all__ = ["cli"]
