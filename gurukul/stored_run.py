"""A run as it is stored: its state, its rows, predictions and models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gurukul.stored_model import StoredModel
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status
from schemas.files.layout import PREDICTIONS, RunLayout
from schemas.files.run_files import read_manifest, read_rows

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.run_status import RunCondition

RoleName = Literal["teacher", "student"]


class StoredRun:
    """One run under `data/models/RUN_ID`. Each property is read from disk when it is used; nothing is written."""

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

    def rows(self, role: RoleName = "student") -> pd.DataFrame:
        """One row per window of a role: status, reason, device, seconds, and one column per metric.

        Raises GurukulError until every window of that role has ended.
        """
        import pandas as pd

        path = self._layout.rows(role)
        if not path.is_file():
            step = self.condition.next_command(self.run_id, self._layout.data_dir)
            raise RequestError(f"{path} does not exist: run {self.run_id} has not trained every {role}; `{step}`")
        rows = [row.model_dump(mode="python") for row in read_rows(self._layout, Role(role))]
        return pd.DataFrame([{**row, **row.pop("metrics")} for row in rows])

    def predictions(self, window: str | None = None) -> pd.DataFrame:
        """Scored rows of one window's student, or of all windows of the run, as its artifacts store them."""
        import pandas as pd

        labels = [window] if window is not None else self._trained(Role.STUDENT)
        frames = []
        for label in labels:
            path = self._layout.artifact(label, Role.STUDENT) / PREDICTIONS
            if not path.is_file():
                raise RequestError(f"{path} does not exist: {label} has no trained student in run {self.run_id}")
            frames.append(pd.read_parquet(path).assign(window_label=label))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def model(self, window: str, role: RoleName = "student") -> StoredModel:
        """A window's trained model. Raises GurukulError if there is none, or if a file was changed since training.

        A model of a plug-in runs the plug-in's code, if the file is still the one that the run began with.
        """
        from workers.plugins.loading import using_plugins

        with using_plugins(self.manifest.config.plugins):
            return StoredModel.read(self._layout.artifact(window, role), Role(role))

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        from orchestrator.ledger.ledger import Ledger

        with closing(Ledger(self._layout.ledger, read_only=True)) as ledger:
            yield ledger

    def _trained(self, role: Role) -> list[str]:
        rows = read_rows(self._layout, role) if self._layout.rows(role).is_file() else []
        return [row.window_label for row in rows if row.status is Status.SUCCESS]
