"""The windows and the work that every fleet receives: no training, so that only dispatch differs."""

import time
from datetime import date, timedelta
from typing import Any

Window = dict[str, Any]

FIRST_DAY = date(2015, 1, 1)
SPAN = timedelta(days=180)
SYMBOLS = 36
SETTINGS = {
    "interval": "1day",
    "label": "fixed",
    "horizon_bars": 5,
    "threshold": 0.02,
    "threshold_unit": "return",
    "take_profit": 1.0,
    "stop_loss": 1.0,
    "entry": "next-open",
    "label_return": "gross",
    "cross_session": False,
    "embargo_bars": 1,
    "min_rows": 40,
    "scope": "symbol",
    "lookback": "expanding",
    "student_scope": "symbol",
    "privileged": [],
    "distill_weight": 1.0,
    "student": "logistic",
    "reward_weights": False,
    "cost_bps": 24.0,
    "slippage_bps": 5.0,
    "seed": 42,
}


def work(window: Window) -> dict[str, Any]:
    """Spend the window's milliseconds asleep or on a core; return a result like that of a trained window.

    Busy time is the thread's CPU time: a window whose core is used by the broker takes longer, as training does.
    """
    clock = time.thread_time if window["busy"] else time.perf_counter
    begun = clock()
    seconds = window["milliseconds"] / 1000
    if window["busy"]:
        while clock() - begun < seconds:
            pass
    elif seconds:
        time.sleep(seconds)
    return {
        "name": window["name"],
        "status": "success",
        "metrics": {"auc": 0.5731, "log_loss": 0.6843, "accuracy": 0.5512, "rows": 118, "net_return": 0.0214},
        "duration_seconds": clock() - begun,
    }


def make_windows(count: int, milliseconds: int, *, busy: bool) -> list[Window]:
    """Return `count` windows of `SYMBOLS` symbols; as JSON each is about as long as a fleet message (900 bytes)."""
    return [_window(number, milliseconds, busy) for number in range(count)]


def _window(number: int, milliseconds: int, busy: bool) -> Window:
    symbol = f"SYMBOL{number % SYMBOLS:02}.NS"
    start = FIRST_DAY + number // SYMBOLS * timedelta(days=1)
    end = start + SPAN
    return {
        "run_id": "live_candidate_20260101_000000",
        "role": "teacher",
        "name": f"{symbol}_{start}_to_{end}",
        "attempt": 1,
        "data_dir": "data/live_candidate_20260101_000000",
        "window": {"symbol": symbol, "start": str(start), "end": str(end), "score_end": str(end + SPAN)},
        "settings": SETTINGS,
        "bars": {symbol: f"{number:064x}"},
        "milliseconds": milliseconds,
        "busy": busy,
    }
