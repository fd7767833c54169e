"""A run as it is stored: its state, its rows, predictions and models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gurukul.stored_model import StoredModel
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.run import RunStatus
from schemas.contract.task import WINDOW_ROLES, Role, Status
from schemas.files.layout import PREDICTIONS, RunLayout
from schemas.files.run_files import read_manifest, read_rows

if TYPE_CHECKING:
    import pandas as pd

    from gurukul.report import Report
    from orchestrator.audit.judgement import Judgement
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.run_status import RunCondition

RoleName = Literal["teacher", "student"]


def _role(name: str) -> Role:
    if name not in WINDOW_ROLES:
        raise RequestError(f"role {name!r} must be {' or '.join(WINDOW_ROLES)}")
    return Role(name)


class StoredRun:
    """One run under `data/models/RUN_ID`. Each property is read from disk when it is used; nothing is written.

    In every frame an instant is a `datetime64` in UTC. A day (`session`, `start`, ...) is one without a zone: the day
    at the exchange. `frame["timestamp"].dt.tz_convert(run.timezone)` gives instants in the market's time.

    >>> run = gurukul.open_run("nightly")
    >>> run.status.value, run.recommendation
    ('ready-for-review', 'hold')
    >>> scored = run.predictions()
    >>> str(scored["timestamp"].dtype), str(scored["session"].dtype), run.timezone
    ('datetime64[us, UTC]', 'datetime64[us]', 'Asia/Kolkata')
    >>> bool((scored["timestamp"].dt.tz_convert(run.timezone).dt.tz_localize(None) == scored["session"]).all())
    True
    """

    def __init__(self, folder: str | Path) -> None:
        self._layout = RunLayout(Path(folder))

    def __repr__(self) -> str:
        return f"StoredRun({str(self.folder)!r})"

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._layout.folder

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.folder.name

    @property
    def manifest(self) -> RunManifest:
        """Config, versions, devices, bars and plan (`run.json`)."""
        return read_manifest(self._layout)

    @property
    def status(self) -> RunStatus:
        """What the run does, or how it ended; `str(run.condition)` adds the reason."""
        return self.condition.status

    @property
    def condition(self) -> RunCondition:
        """The run's status with its reason, verdict, and whether it can be resumed."""
        with self._ledger() as ledger:
            return ledger.condition()

    @property
    def message(self) -> str:
        """Why the run waits, failed or stopped; empty while it runs and after a success."""
        return self.condition.reason

    @property
    def recommendation(self) -> str | None:
        """promote, hold or reject; None until the gates were judged."""
        with self._ledger() as ledger:
            return ledger.get("recommendation")

    @property
    def timezone(self) -> str:
        """The time zone of the run's bars: of timestamps without an offset, and of the days of intraday bars.

        It is UTC for the sample, whose daily bars begin at midnight UTC.
        """
        from orchestrator.bars.zone import zone_of

        return zone_of(self.manifest.config, self.manifest.bars)

    def windows(self) -> pd.DataFrame:
        """One row per planned window, as `plan` returns it, with what became of its `teacher` and its `student`.

        These are success, skipped, failed, or pending while the run has not come to it; `reason` is why a window was
        skipped or has failed. It can be read while the run trains.

        >>> run.windows()["student"].value_counts().to_dict()
        {'success': 12, 'skipped': 3}
        """
        from gurukul.frames import windows_frame

        with self._ledger() as ledger:
            ends = {role: {each.name: each for each in ledger.records(role, ended=True)} for role in WINDOW_ROLES}
        return windows_frame(self.manifest, ends)

    def rows(self, role: RoleName = "student") -> pd.DataFrame:
        """One row per window of a role: status, reason, device, seconds, and one column per metric.

        Raises GurukulError until every window of that role has ended.

        >>> run.rows("teacher")[["window_label", "status", "rounds"]].shape
        (15, 3)
        """
        import pandas as pd

        from gurukul.frames import with_days

        path = self._layout.rows(_role(role))
        if not path.is_file():
            step = self.condition.next_command(self.run_id, self._layout.data_dir)
            raise RequestError(f"{path} does not exist: run {self.run_id} has not trained every {role}; `{step}`")
        rows = [row.model_dump(mode="python") for row in read_rows(self._layout, Role(role))]
        return with_days(pd.DataFrame([{**row, **row.pop("metrics")} for row in rows]))

    def predictions(self, window: str | None = None) -> pd.DataFrame:
        """Scored rows of one window's student, or of all windows, as the run's artifacts store them.

        `timestamp` is the bar of the decision, `session` its day, `label_end` the bar at which the label is known;
        `label` and `forward_return` are what came; `student`, `teacher`, `alone` (a student without a teacher),
        `logistic`, `prior` (the base rate) and `window_share` are probabilities of label 1, or values where labels are.
        Raises GurukulError for all windows until every student has ended.

        >>> scored = run.predictions()
        >>> scored.loc[scored["student"] > scored["trade_above"], "forward_return"].size
        0
        """
        import pandas as pd

        from gurukul.frames import with_days

        labels = [window] if window is not None else self._trained()
        frames = []
        for label in labels:
            path = self._layout.artifact(label, Role.STUDENT) / PREDICTIONS
            if not path.is_file():
                raise RequestError(f"{path} does not exist: {label} has no trained student in run {self.run_id}")
            frames.append(pd.read_parquet(path).assign(window_label=label))
        return with_days(pd.concat(frames, ignore_index=True))

    def returns(self) -> pd.DataFrame:
        """Daily returns after costs of each strategy's book, as fractions of the capital; the index is the day.

        `student` is the run's own; `teacher`, `alone`, `logistic` and `prior` are the other models as traders; `always
        long`, `momentum` and `reversal` are rules without learning. Raises GurukulError until the run was validated.

        >>> run.returns()[["student", "always long"]].columns.tolist()
        ['student', 'always long']
        """
        import pandas as pd

        from gurukul.frames import with_days

        path = self._layout.daily_returns
        if not path.is_file():
            step = self.condition.next_command(self.run_id, self._layout.data_dir)
            raise RequestError(f"{path} does not exist: run {self.run_id} is not validated; `{step}`")
        return with_days(pd.read_parquet(path)).set_index("day")

    def features(self, window: str | None = None) -> pd.DataFrame:
        """What the students of a window see of its rows; without a window, of every bar of the run.

        One column per feature, NaN where one is missing. A window's rows are those that it trained on (`part` fit,
        purged or tail, with their `weight`) and those that were scored (`part` scored), with `label` and
        `forward_return`. Features are computed again from the stored bars. Raises GurukulError if these have changed.

        >>> seen = run.features(label)
        >>> sorted(seen["part"].unique())
        ['fit', 'purged', 'scored', 'tail']
        >>> scored = seen[seen["part"] == "scored"]
        >>> bool((abs(model.predict(scored) - run.predictions(label)["student"]) < 1e-12).all())
        True
        """
        import tempfile

        import pandas as pd

        from gurukul.frames import with_days
        from orchestrator.runs.worker_process import ask
        from schemas.contract.requests import MatrixRequest, MatrixWritten

        with tempfile.TemporaryDirectory(prefix="gurukul-features-") as folder:
            out = str(Path(folder) / "features.parquet")
            data_dir = str(self._layout.data_dir.absolute())
            ask("matrix", MatrixRequest(data_dir=data_dir, run_id=self.run_id, out=out, label=window), MatrixWritten)
            return with_days(pd.read_parquet(out))

    def model(self, window: str, role: RoleName = "student") -> StoredModel:
        """A window's trained model. Raises GurukulError if there is none, or if a file was changed since training.

        A model of a plug-in runs the plug-in's code, if the file is still the one that the run began with.
        """
        from workers.plugins.loading import using_plugins

        folder = self._layout.artifact(window, _role(role)).parent
        if not folder.is_dir():
            names = [each.name for each in folder.parent.glob("*")]
            near = f" (near: {', '.join(found)})" if (found := get_close_matches(window, names)) else ""
            raise RequestError(f"run {self.run_id} trained no window {window}{near}; `windows()` lists them")
        with using_plugins(self.manifest.config.plugins):
            return StoredModel.read(self._layout.artifact(window, role), Role(role))

    def gates(self) -> pd.DataFrame:
        """One row per criterion of each gate: `part` in the decision, `answer`, `statistic`, `threshold`, interval.

        `part` is hard, primary, direction, warning or informs (`docs/judgement.md`); `low` to `high` is the 95 %
        interval, `n` how much data it rests on. Raises GurukulError until the gates were judged.

        >>> gates = run.gates()
        >>> gates[gates["part"] == "hard"]["gate"].unique().tolist()
        ['data', 'leak']
        """
        from gurukul.frames import gates_frame

        return gates_frame(self._judgement().statistics)

    def report(self, *, height: int = 700) -> Report:
        """The run's report, which a notebook shows in a frame of `height` pixels; `print` gives its verdict as text.

        Raises GurukulError until the run's audit was written.

        >>> print(run.report())  # doctest: +ELLIPSIS
        hold: ...
        """
        from gurukul.report import Report
        from schemas.files.layout import audit_folder

        conclusion = self._judgement().conclusion
        path = audit_folder(self.manifest.config.release_dir, self.run_id) / "report.html"
        if not path.is_file():
            step = self.condition.next_command(self.run_id, self._layout.data_dir)
            raise RequestError(f"{path} does not exist: the audit of run {self.run_id} is not written; `{step}`")
        return Report(path, conclusion, height)

    def _judgement(self) -> Judgement:
        from orchestrator.audit.judgement import judgement
        from orchestrator.runs.compare import not_judged

        if (found := judgement(self._layout)) is None:
            raise not_judged(self.run_id, self.condition, self._layout.data_dir)
        return found

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        from orchestrator.ledger.ledger import Ledger

        with closing(Ledger(self._layout.ledger, read_only=True)) as ledger:
            yield ledger

    def _trained(self) -> list[str]:
        rows = self.rows("student")
        labels: list[str] = rows.loc[rows["status"] == Status.SUCCESS, "window_label"].tolist()
        if not labels:
            raise RequestError(f"run {self.run_id} trained no student; `windows()` gives the reasons")
        return labels
