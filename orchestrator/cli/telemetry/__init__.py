"""`orchestrator telemetry`: the commands about events."""

from orchestrator.cli.registry import group_of

telemetry = group_of("orchestrator.cli.telemetry", {"Commands": ("tail", "validate", "play")})


@telemetry.callback()
def main() -> None:
    """Print, check or play the events of a run.

    docs/telemetry.md describes the events.
    """
