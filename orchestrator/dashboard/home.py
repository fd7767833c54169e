"""The first page: what waits for a decision or a remedy, the fleet, and all runs."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from markupsafe import Markup

from orchestrator.audit import next_step
from orchestrator.dashboard.fleet import devices_of
from orchestrator.dashboard.rendering import Cell, bar, code, lasting, link, listed, mark, part, sentence, when
from orchestrator.dashboard.runs import Damaged, Run, runs_on_broker
from orchestrator.dashboard.runs import listed as listed_runs
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.stream import Parts
from orchestrator.dashboard.watched import watched
from orchestrator.releases import release_stack
from orchestrator.releases.history import Line, read
from orchestrator.releases.overview import overview
from orchestrator.runs.compare import changed, plain
from orchestrator.terminal.live_view import utc_now
from schemas.config.release import ReleaseConfig
from schemas.contract.errors import GurukulError
from schemas.contract.judgement import Recommendation
from schemas.contract.release import PRODUCTION, STAGING
from schemas.contract.run import RunStatus
from schemas.files.layout import ReleaseLayout

WEEK = timedelta(days=7)
# Releases are hashed to be checked, so not at each look.
CHECKED_EVERY_S = 30.0
SHOWN_CHANGES, SHOWN_NEEDS = 3, 8
# Two folders of a path and more, of which a list shows the last part alone; a time zone has one.
FOLDERS, DOTS = re.compile(r"(?:[^\s:,=/]*/){2,}"), "…/"


class Home:
    """Draws the page for one server; keeps what is slow to find out for half a minute."""

    def __init__(self, here: Settings) -> None:
        self._here = here
        self._checked = float("-inf")
        self._alarms: list[str] = []

    def parts(self) -> Parts:
        """The parts of the page, as they are now."""
        runs, damaged = listed_runs(self._here.data_dir)
        runs += runs_on_broker(self._here.data_dir, self._here.broker)
        lines, _ = read(ReleaseLayout(Path(self._here.release_dir)).history)
        damaged += [Damaged(run.run_id, run.study.fault) for run in runs if run.study is not None and run.study.fault]
        needs = [*_stopped(runs), *_undecided(self._here, runs, lines), *self._warnings(damaged)]
        return {
            "needs": part("home_needs", needs=needs[:SHOWN_NEEDS], more=max(len(needs) - SHOWN_NEEDS, 0)),
            "tiles": part("home_tiles", tiles=[_running(self._here, runs), self._fleet(), _live(lines), _week(runs)]),
            "runs": part(
                "home_runs",
                rows=_rows(runs),
                data_dir=self._here.data_dir,
                of_values=any(run.of_values for run in runs),
            ),
        }

    def _warnings(self, damaged: list[Damaged]) -> list[Cell]:
        """Faults of releases and of folders of runs."""
        if time.monotonic() - self._checked > CHECKED_EVERY_S:
            self._checked = time.monotonic()
            try:
                found = overview(self._here.release_dir, None)
                self._alarms = [*found["faults"], *found["notes"]]
            except (GurukulError, OSError) as error:
                self._alarms = [f"{self._here.release_dir} cannot be read: {error}"]
        alarms: list[Cell] = [listed([mark("failed"), each]) for each in self._alarms]
        return alarms + [listed([mark("failed"), f"{each.name} cannot be read: {each.why}"]) for each in damaged]

    def _fleet(self) -> tuple[str, str, str]:
        """Title, number and details of the tile of devices."""
        if self._here.broker is None:
            return "Fleet", NO_BROKER, "start the dashboard with --broker to see devices"
        try:
            found = devices_of(self._here.broker)
        except GurukulError as error:
            return "Fleet", "no answer", str(error)
        rate = sum(each.rate for each in found)
        uses = [each.utilisation for each in found if each.utilisation is not None]
        busy = f" · {100 * sum(uses) / len(uses):.0f} % in use" if uses else ""
        return "Fleet", f"{len(found)} device{'s' if len(found) != 1 else ''}", f"{rate:.1f} models per second{busy}"


NO_BROKER = "not followed"


def _stopped(runs: list[Run]) -> list[Cell]:
    """Runs of the last week that were interrupted or failed, with the command that continues them."""
    found: list[Cell] = []
    for run in runs:
        if run.condition is None or run.status not in (RunStatus.INTERRUPTED, RunStatus.FAILED) or not _is_new(run):
            continue
        reason, step = run.condition.reason or run.word, None
        if run.condition.can_resume:
            step = code(run.condition.next_command(run.run_id, run.layout.data_dir))
        found.append(_need(run.word, link(address(run), run.run_id), reason, step))
    return found


def _need(word: str, name: Cell, reason: str, step: Cell) -> Cell:
    """A line of what needs a person: status or verdict, run, reason, and the next command, if there is one."""
    after = Markup("; next: {}").format(step) if step is not None else ""
    return Markup("{} {}: {}{}").format(mark(word), name, sentence(reason), after)


def _undecided(here: Settings, runs: list[Run], lines: list[Line]) -> list[Cell]:
    """Runs of the last week that the gates recommend to promote, and that were neither approved nor rejected."""
    config = ReleaseConfig(data_dir=here.data_dir, release_dir=here.release_dir)
    found: list[Cell] = []
    for run in runs:
        is_open = run.status is RunStatus.READY and run.recommendation == Recommendation.PROMOTE
        if is_open and _is_new(run) and release_stack.decision(lines, run.run_id) is None:
            step = code(next_step.approve(run.run_id, config, run.recommendation))
            name = link(f"{address(run)}/results", run.run_id)
            found.append(_need(run.recommendation or "", name, "waits for a decision", step))
    return found


def _is_new(run: Run) -> bool:
    return datetime.now(UTC) - run.created < WEEK


def _running(here: Settings, runs: list[Run]) -> tuple[str, str, str]:
    """Title, number and details of the tile of active runs."""
    active = [run for run in runs if run.is_active]
    if not active:
        studies = sum(run.study is not None for run in runs)
        also = f" and {studies} {'study' if studies == 1 else 'studies'}" if studies else ""
        return "Running", "nothing", f"{_counted(len(runs) - studies)}{also} in {here.data_dir}"
    first = active[0]
    done, planned, what = _progress(first)
    details = f"{first.run_id}: {done:,} of {planned:,} {what}"
    try:
        followed = watched(first.run_id, first.created.isoformat(), here.data_dir, here.broker)
        with followed.lock:
            followed.refresh()
            left = followed.state.remaining_s(utc_now())
    except GurukulError:
        left = None  # it has no events
    if left is not None:
        details += f" · {lasting(left)} left"
    return "Running", _counted(len(active)), details


def _live(lines: list[Line]) -> tuple[str, str, str]:
    """Title, release and details of the tile of production."""
    live, staging = (release_stack.live(lines, environment) for environment in (PRODUCTION, STAGING))
    return "Production", live or "nothing is live", f"staging: {staging or 'nothing is live'}"


def _week(runs: list[Run]) -> tuple[str, str, str]:
    """Title, number and details of the tile of the last week; a study is not judged, so none is counted."""
    recent = [run for run in runs if _is_new(run) and run.study is None]
    words = [word.value for word in Recommendation]
    counts = [(sum(run.recommendation == word for run in recent), word) for word in words]
    rest = len(recent) - sum(count for count, _ in counts)
    details = " · ".join(f"{count} {word}" for count, word in [*counts, (rest, "not judged")] if count)
    return "Last 7 days", _counted(len(recent)), details or "none"


def _counted(number: int) -> str:
    return "1 run" if number == 1 else f"{number:,} runs"


def _progress(run: Run) -> tuple[int, int, str]:
    """What is done, of how much, and what is counted."""
    if run.study is not None:
        return run.study.ended, run.study.planned, "trials"
    return run.trained + run.skipped + run.failed, run.planned, "windows"


def address(run: Run) -> str:
    """The address of a run's page."""
    return f"/runs/{run.run_id}" if run.study is None else f"/runs/{run.run_id}/study"


def _rows(runs: list[Run]) -> list[tuple[str, bool, list[Cell]]]:
    """Per run its id, whether it is a study, and the cells of its row, newest first."""
    rows = []
    for place, run in enumerate(runs):
        before = next((each for each in runs[place + 1 :] if each.settings is not None), None)
        done, planned, what = _progress(run)
        share = _share(done / planned, f"{what} of {run.run_id}") if planned else None
        if run.study is not None and share is not None:
            found = [f"{done:,} of {planned:,} trials", run.study.best]
            share = listed([share if done < planned else None, ", ".join(filter(None, found))])
        judged = run.conclusion
        cells: list[Cell] = [
            link(address(run), run.run_id),
            when(run.created) if run.condition is not None else None,
            mark(run.word),
            share,
            _outcome(run),
            judged.sureness[-1].text if judged is not None and judged.sureness else None,
            judged.earned[0].a_year if judged is not None and judged.earned else None,
            lasting(run.took_s) if run.took_s is not None else None,
            _differs(run, before),
        ]
        rows.append((run.run_id, run.study is not None, cells))
    return rows


def _share(share: float, label: str) -> Cell:
    """A share in percent, with a bar where something is left."""
    return bar(share, label) if share < 1.0 else "100 %"


def _outcome(run: Run) -> Cell:
    """A run's verdict; a study has none."""
    if run.study is not None:
        return "study"
    return link(f"{address(run)}/results", run.recommendation) if run.recommendation else None


def _differs(run: Run, before: Run | None) -> str | None:
    """The settings that differ from those of the run before, as a few words."""
    if run.settings is None or before is None or before.settings is None:
        return None
    found = [named(name, values[0]) for name, values in changed(run.settings, before.settings).items()]
    more = f" and {len(found) - SHOWN_CHANGES} more" if len(found) > SHOWN_CHANGES else ""
    return ", ".join(found[:SHOWN_CHANGES]) + more if found else "nothing"


def named(name: str, value: object) -> str:
    """A setting with its value; of a long list, such as all symbols, how many it has, of a path its end."""
    if isinstance(value, list) and len(value) > SHOWN_CHANGES:
        return f"{len(value)} {name}"
    return f"{name} {FOLDERS.sub(DOTS, plain(value))}"
