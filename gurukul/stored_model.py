"""One trained model of a window: a student or a teacher, with what it was trained from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.contract.artifact import METADATA_KINDS, StudentMetadata, TeacherMetadata
from schemas.contract.errors import DataError, RequestError
from schemas.contract.plugin_source import plugins_of_environment
from schemas.contract.task import Role
from schemas.files.atomic import sha256_of
from schemas.files.bounded import LARGEST_MODEL_BYTES, read_bounded
from schemas.files.layout import METADATA
from schemas.files.run_files import read_model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, repr=False)
class StoredModel:
    """A model read from `windows/LABEL/teacher` or `windows/LABEL/student`.

    `metadata` holds settings, versions, digests of the bars, features in order, and metrics.
    """

    role: Role
    metadata: TeacherMetadata | StudentMetadata
    _model: Any

    @classmethod
    def read(cls, folder: Path, role: Role) -> StoredModel:
        """Read a model. RequestError if `folder` holds none, DataError if a file was changed after training."""
        from workers.artifacts.reader import read_teacher
        from workers.models.apart import shared_trial
        from workers.models.registry import stored_type, type_of
        from workers.models.stored_student import read_student
        from workers.plugins.loading import refuse_other_plugins

        path = folder / METADATA
        if not path.is_file():
            raise RequestError(f"{folder} holds no trained {role}; the run's rows give the reason")
        metadata = read_model(path, METADATA_KINDS[role])
        for name, digest in metadata.sha256.items():
            if not (folder / name).is_file() or sha256_of(folder / name) != digest:
                raise DataError(f"{folder / name} was changed after training; remove {folder} and resume the run")
        if metadata.settings.plugged is not None:
            refuse_other_plugins(metadata.settings.plugged.digests)
        teaches = role is Role.TEACHER
        model_type = type_of(metadata.settings.teacher) if teaches else stored_type(folder)
        if model_type.is_fragile:
            # The digests are of the same folder, so they do not vouch for its origin.
            file = folder / model_type.file_name
            shared_trial(plugins_of_environment()).refuse_unreadable(
                read_bounded(file, LARGEST_MODEL_BYTES), str(file), model_type.kind
            )
        if role is Role.TEACHER:
            return cls(role, metadata, read_teacher(folder))
        return cls(role, metadata, read_student(folder, metadata.sha256))

    def __repr__(self) -> str:
        kind = getattr(self.metadata.settings, self.role)
        return f"StoredModel({self.role} {kind} of {self.metadata.window.label}, {len(self.features)} features)"

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that `predict` takes, in order."""
        return self.metadata.features

    def predict(self, x: NDArray[np.float64] | pd.DataFrame, symbol: str | None = None) -> NDArray[np.float64]:
        """Probability of label 1 for each row of `x`, shape (rows, features); NaN means that a feature is missing.

        Of labels that are values, the predicted value.
        `x` may be a frame with the features among its columns, such as `StoredRun.features` returns. `symbol` picks the
        base rate of a model that was trained on a panel of symbols; without it that of each row of the frame's column
        `symbol`. Raises RequestError if `x` has another number of columns or lacks one, or if a panel's model gets no
        symbol that it knows.

        >>> model.predict(run.features(label).head(2)).shape
        (2,)
        """
        import numpy as np
        import pandas as pd

        symbols: Sequence[str | None] = [symbol] * len(x)
        if isinstance(x, pd.DataFrame):
            if missing := [name for name in self.features if name not in x]:
                raise RequestError(f"x lacks the columns {', '.join(missing)}; this {self.role} takes its `features`")
            symbols = x["symbol"].tolist() if symbol is None and "symbol" in x else symbols
            x = x[list(self.features)].to_numpy(dtype=np.float64)
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.features):
            raise RequestError(f"x has shape {x.shape}; this {self.role} takes (rows, {len(self.features)})")
        from workers.models.base import predicted
        from workers.models.stored_student import as_teacher_sees

        if isinstance(self.metadata, TeacherMetadata):
            offsets, margin = self.metadata.offsets, self._model.model.margin(as_teacher_sees(x))
        else:
            offsets, margin = self._model.serving.offsets, self._model.margin(x)
        return predicted(self._offsets(offsets, symbols) + margin, self.metadata.settings.target)

    def importance(self) -> pd.Series[float]:
        """Share of each feature in the model's total gain, best first; empty for a type without gains."""
        import pandas as pd

        found = {name: share for name, share, _ in self._model.model.importance(self.features)}
        return pd.Series(found, name="importance", dtype=float)

    def _offsets(self, offsets: Mapping[str, float], symbols: Sequence[str | None]) -> NDArray[np.float64]:
        """The logit or value that each row's prediction starts from."""
        import numpy as np

        found = {each: self._offset(offsets, each) for each in dict.fromkeys(symbols)}
        return np.array([found[each] for each in symbols])

    def _offset(self, offsets: Mapping[str, float], symbol: str | None) -> float:
        """The logit or value that predictions of a symbol start from; a model of one symbol needs no name."""
        if symbol is None and len(offsets) == 1:
            return next(iter(offsets.values()))
        if symbol is None or symbol not in offsets:
            raise RequestError(f"symbol {symbol} is none of this {self.role}'s; give one of {', '.join(offsets)}")
        return offsets[symbol]
