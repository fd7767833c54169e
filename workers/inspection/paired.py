"""How much better one scored run is than another on the same days, with the standard error of the difference."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.config.tuning import OF_LOSSES
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.judgement import ALWAYS_LONG, STUDENT
from schemas.contract.requests import PairedDifference, PairedQuestion
from schemas.files.layout import RunLayout
from workers.bars.series import Floats
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import Estimate, line_of, mean_of
from workers.scoring.family import FAMILIES, Family
from workers.scoring.log_loss import daily_means

BPS = 1e4


def compare(question: PairedQuestion) -> PairedDifference:
    """Answer the orchestrator's question about two runs; an error becomes part of the answer."""
    first, second = (RunLayout.under(question.data_dir, name) for name in (question.run_id, question.other))
    try:
        target = OF_LOSSES.get(question.objective)
        return _by_alpha(first, second) if target is None else _by_loss(first, second, FAMILIES[target])
    except GurukulError as error:
        return PairedDifference(error=str(error))


def _by_loss(first: RunLayout, second: RunLayout, family: Family) -> PairedDifference:
    """Daily means of the loss of `second` less that of `first`, on the rows that both scored."""
    names = ["symbol", "timestamp", "session", "label", STUDENT]
    left, right = (pq.read_table(_existing(each.scored_rows), columns=names) for each in (first, second))
    rows = left.join(right.drop_columns(["session"]), ["symbol", "timestamp"], join_type="inner", right_suffix="_other")
    rows = rows.sort_by([("timestamp", "ascending"), ("symbol", "ascending")])
    if not pc.all(pc.equal(rows["label"], rows["label_other"])).as_py():
        raise RequestError(f"{first.folder.name} and {second.folder.name} have other labels; compare by alpha")
    y = rows["label"].to_numpy()
    saved = family.losses(y, rows[f"{STUDENT}_other"].to_numpy()) - family.losses(y, rows[STUDENT].to_numpy())
    day = rows["session"].cast(pa.int32()).to_numpy().astype(np.int64)
    _, daily = daily_means(day, saved)
    return _answer(daily, None)


def _by_alpha(first: RunLayout, second: RunLayout) -> PairedDifference:
    """The intercept of the difference of the two books' daily returns on always long."""
    left, right = (pq.read_table(_existing(each.daily_returns)) for each in (first, second))
    rows = left.select(["day", STUDENT, ALWAYS_LONG]).join(
        right.select(["day", STUDENT]), "day", join_type="inner", right_suffix="_other"
    )
    rows = rows.sort_by("day")
    difference = rows[STUDENT].to_numpy() - rows[f"{STUDENT}_other"].to_numpy()
    return _answer(BPS * difference, BPS * rows[ALWAYS_LONG].to_numpy())


def _answer(daily: Floats, market: Floats | None) -> PairedDifference:
    if len(daily) < 2 or is_constant(daily):
        return PairedDifference(days=len(daily))
    found: Estimate = mean_of(daily) if market is None or is_constant(market) else line_of(daily, market)[0]
    return PairedDifference(days=len(daily), difference=found.value, standard_error=found.error)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise RequestError(f"{path} is missing; restore it")
    return path
