"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.broker.bearer import TOKEN_FILE_ENV
from schemas.contract.command_line import DATA_DIR
from schemas.contract.release import ENVIRONMENTS
from schemas.redis.client import BROKER_ENV


def stored_runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """The ids of runs that a shell completes."""
    runs = Path(ctx.params.get("data_dir") or DATA_DIR).glob("models/*/run.json")
    return sorted(path.parent.name for path in runs if path.parent.name.startswith(incomplete))


def environments() -> list[str]:
    """The names that a shell completes where a release is deployed to."""
    return list(ENVIRONMENTS)


# A command that declares these gets the optional ones below: `run_choice.with_run_choice`.
RunArgument = Annotated[str, typer.Argument()]
WindowArgument = Annotated[str, typer.Argument()]
NewestRun = Annotated[
    str | None,
    typer.Argument(
        help="The run's id, or a part that no other has; if omitted: the newest run.", autocompletion=stored_runs
    ),
]
NewestWindow = Annotated[str | None, typer.Argument(help="The window's label, such as TCS_2022-01-01_to_2022-06-30.")]
# Of a command that changes what others see: the newest run is no default there.
NamedRun = Annotated[str, typer.Argument(help="The run's id, or a part that no other has.", autocompletion=stored_runs)]
LogFileArgument = Annotated[Path, typer.Argument(help="An event log: training_run_RUN_ID.jsonl.")]

DataDir = Annotated[str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")]
PublicKey = Annotated[
    str | None,
    typer.Option(help="PEM file of the public key that the signature must match.", envvar="GURUKUL_PUBLIC_KEY"),
]
FleetBroker = Annotated[
    str | None, typer.Option("--broker", help="redis:// or rediss:// URL of the fleet's broker.", envvar=BROKER_ENV)
]
RunBroker = Annotated[
    str | None,
    typer.Option(
        "--broker", help="URL of the run's shared broker; if omitted: its event log is read.", envvar=BROKER_ENV
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File with a token that a request for metrics must give as `Bearer`; chmod 600.",
        envvar=TOKEN_FILE_ENV,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

# Options of the release commands. Their folders may come from `--config`, so a missing option is None.
ReleaseConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with any of these settings.")]
ReleaseDataDir = Annotated[str | None, typer.Option("--data-dir", help="Folder of bars and models.  [default: data]")]
ReleaseDir = Annotated[
    str | None,
    typer.Option("--release-dir", help="Folder of audit bundles and releases; if omitted: release, beside DATA_DIR."),
]
ApproverName = Annotated[str, typer.Option("--by", help="Your name, for the release log.")]
OwnName = Annotated[
    str | None,
    typer.Option("--by", help="Your name, for the release log; if omitted: GURUKUL_USER, or else your account."),
]
Note = Annotated[str, typer.Option(help="A remark, for the release log.")]
Symbols = Annotated[
    str | None, typer.Option(help="Symbols, comma separated; if omitted: every symbol that the release serves.")
]
