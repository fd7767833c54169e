"""`orchestrator`: what a person types."""

from orchestrator.cli.app import cli

__all__ = ["cli"]
