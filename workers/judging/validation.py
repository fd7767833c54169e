"""Phase model_validation: pooled out-of-sample scores. Never an average of per-window AUCs, which is biased upwards."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from schemas.artifacts import Validation
from schemas.config import TrainingSettings
from schemas.messages import Metric
from workers.bars.series import Floats
from workers.judging.predictions import Predictions
from workers.judging.scoring import daily_means, log_loss, skill


def net_returns(predictions: Predictions, cost: float) -> Floats:
    """Each row's return after cost: that of its trade, or 0 where the student did not trade. Fractions."""
    return np.where(predictions.trade, predictions.forward_return - cost, 0.0)


def overlap_days(predictions: Predictions, settings: TrainingSettings) -> int:
    """Days that trades of one decision day last: the horizon over the most decisions that a symbol has on a day."""
    _, symbol = np.unique(predictions.symbol.astype(str), return_inverse=True)
    _, decisions = np.unique(np.stack([symbol, predictions.day]), axis=1, return_counts=True)
    return -(-settings.horizon_bars // int(decisions.max()))


def daily_net(predictions: Predictions, settings: TrainingSettings) -> tuple[NDArray[np.int64], Floats]:
    """Net return of the capital for each decision day: the mean over symbols and bars, idle ones counting 0.

    Each day's decisions get one part of as many as there are days whose trades overlap.
    """
    net = net_returns(predictions, settings.round_trip_cost) / overlap_days(predictions, settings)
    return daily_means(predictions.day, net)


def validate(run_id: str, predictions: Predictions, settings: TrainingSettings) -> Validation:
    """Scores of all rows together, and by symbol."""
    net = net_returns(predictions, settings.round_trip_cost)
    traded = predictions.trade
    prior, student, alone, teacher = (
        log_loss(predictions.y, p)
        for p in (predictions.prior, predictions.student, predictions.alone, predictions.teacher)
    )
    _, by_day = daily_net(predictions, settings)
    return Validation(
        run_id=run_id,
        windows=predictions.windows,
        rows=len(predictions),
        first=_day(predictions.day.min()),
        last=_day(predictions.day.max()),
        prior_log_loss=prior,
        student_log_loss=student,
        alone_log_loss=alone,
        teacher_log_loss=teacher,
        log_loss_skill=skill(student, prior),
        teacher_skill=skill(teacher, prior),
        student_auc=_auc(predictions.y, predictions.student),
        trades=int(traded.sum()),
        hit_rate=float((net[traded] > 0).mean()) if traded.any() else None,
        mean_net_bps_per_trade=float(net[traded].mean() * 1e4) if traded.any() else None,
        mean_net_bps_per_day=float(by_day.mean() * 1e4),
        overlap_days=overlap_days(predictions, settings),
        cost_bps=settings.cost_bps,
        slippage_bps=settings.slippage_bps,
        per_symbol={s: _symbol(predictions, net, s) for s in sorted(set(predictions.symbol.tolist()))},
        inputs=predictions.digests,
    )


def _symbol(predictions: Predictions, net: Floats, symbol: str) -> dict[str, Metric]:
    mine = predictions.symbol == symbol
    trades = mine & predictions.trade
    y = predictions.y[mine]
    prior, student = log_loss(y, predictions.prior[mine]), log_loss(y, predictions.student[mine])
    return {
        "rows": int(mine.sum()),
        "positives": int(y.sum()),
        "prior_log_loss": prior,
        "student_log_loss": student,
        "log_loss_skill": skill(student, prior),
        "trades": int(trades.sum()),
        "hit_rate": float((net[trades] > 0).mean()) if trades.any() else None,
        "mean_net_bps_per_trade": float(net[trades].mean() * 1e4) if trades.any() else None,
    }


def _auc(y: Floats, p: Floats) -> float | None:
    return float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else None


def _day(number: np.integer) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))
