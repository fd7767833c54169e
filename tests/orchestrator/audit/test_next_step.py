"""Commands that a report advises."""

import shlex
from datetime import date
from typing import Any

import pytest
import typer

from orchestrator.audit.next_step import (
    OF_ONE_RUN,
    after_years,
    approve,
    deploy,
    power,
    reject,
    run_again,
    suggest_actions,
)
from orchestrator.cli.app import cli
from orchestrator.runs.settings import resolve
from schemas.config.release import ReleaseConfig
from schemas.config.run import RunConfig

SPAN: dict[str, Any] = {"start_date": date(2021, 7, 1), "end_date": date(2024, 12, 31)}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"source": "csv:/bars of mine", "symbols": ("M&M", "^GSPC"), "scope": "panel", "label": "rank", "threshold": -0.01},
    {"source": "csv:x", "columns": {"close": "Adj Close"}, "keep_jumps": True, "privileged": ("path",)},
    {"interval": "30minute", "source": "parquet:y", "cross_session": True, "horizon": 20, "lookback": "400"},
    {"broker": "redis://fleet:6379/0", "local_workers": False},
    {"source": "csv:x", "side": ("fii=/x/fii.csv", "pe=/x/pe, all.csv"), "side_lag": ("fii=1d", "pe=90min")},
]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("make", [lambda config: run_again(config, config.end_date), power])
def test_the_command_has_the_settings_of_the_run(make: Any, settings: dict[str, Any]) -> None:
    """As the shell and the command line read it, every setting of the trial is the run's own."""
    config = RunConfig(**SPAN, **settings)
    program, name, *words = shlex.split(make(config))
    assert program == "orchestrator"
    group: Any = typer.main.get_command(cli)
    command = group.get_command(group.make_context(program, [name]), name)
    given = command.make_context(name, words).params
    found = resolve(RunConfig, {key: given.get(key) for key in RunConfig.model_fields if key in given}, None, {})
    for key in RunConfig.model_fields.keys() - OF_ONE_RUN | {"end_date"}:
        assert getattr(found, key) == getattr(config, key), key


def test_settings_of_a_file_and_a_later_day() -> None:
    """Tables of a config file are named as a file; years are added to the end date."""
    config = RunConfig(**SPAN, gates={"min_days": 100})
    assert "--config FILE" in power(config)
    assert after_years(config, 0.5) == date(2025, 7, 2)
    weekly = RunConfig(**SPAN, source="csv:x", interval="1week")
    command = suggest_actions(weekly, {"M&M": 2, "TCS": 1})
    assert " --interval 1week --source csv:x --symbols 'M&M,TCS' --write-actions actions.csv" in command


def test_symbols_are_named_only_if_they_were_chosen() -> None:
    """A command that lists a whole source would be long, and would leave out symbols that are added to it."""
    config = RunConfig(**SPAN, symbols=("M&M", "TCS"))
    assert " --symbols 'M&M,TCS' " in run_again(config, config.end_date)
    assert "--symbols" not in run_again(config.model_copy(update={"every_symbol": True}), config.end_date)


def test_a_fleet_is_that_of_the_run() -> None:
    """With a file of the broker's URL the command names the file and not the URL.

    Without a file, a URL whose login is not stored is left to the variable that it came from.
    """
    config = RunConfig(**SPAN, broker="redis://fleet:6379/0", broker_file="/etc/broker", local_workers=False)
    assert run_again(config, config.end_date) == (
        "orchestrator run --reuse --start-date 2021-07-01 --broker-file /etc/broker --no-local-workers"
        " --end-date 2024-12-31"
    )
    config = RunConfig(**SPAN, broker="redis://fleet:6379/0", broker_login=True, local_workers=False)
    assert " --no-local-workers " in run_again(config, config.end_date)
    assert "redis://" not in run_again(config, config.end_date)


def test_decisions_are_made_in_the_folders_of_the_run() -> None:
    """A command that is pasted finds the run and its releases, wherever they are."""
    usual = RunConfig(**SPAN)
    assert approve("r", usual) == "orchestrator approve r --by NAME"
    assert approve("r", ReleaseConfig(), "hold") == "orchestrator approve r --by NAME --override REASON"
    beside = RunConfig(**SPAN, data_dir="/srv/x y/data")
    assert reject("r", beside) == "orchestrator reject r --by NAME --data-dir '/srv/x y/data'"
    apart = RunConfig(**SPAN, data_dir="d", release_dir="/out")
    assert (
        deploy("r", ReleaseConfig(data_dir="d", release_dir="/out"))
        == deploy("r", apart)
        == "orchestrator deploy r --to staging --release-dir /out --data-dir d"
    )
