"""XGBoost as if it had a GPU: it trains on the CPU, and refuses rows that are not on their booster's device.

XGBoost itself only warns about such rows and copies them (`inplace_predict`, "mismatched devices"). Rows on the GPU are
arrays of `tests.gpu.fake_cupy`.
"""

import json
from typing import Any

import pytest
import xgboost as xgb

from tests.gpu.fake_cupy import Ndarray, unwrap, wrap


class GpuBooster(xgb.Booster):  # type: ignore[misc]  # XGBoost is not typed here
    """A booster that was trained with `device="cuda"`."""

    def save_config(self) -> str:
        config = json.loads(super().save_config())
        config["learner"]["generic_param"]["device"] = "cuda:0"
        return json.dumps(config)

    def __getitem__(self, rounds: Any) -> xgb.Booster:
        part = super().__getitem__(rounds)
        part.__class__ = GpuBooster
        return part


def install(patch: pytest.MonkeyPatch) -> None:
    """Put the fake's edge into `xgboost` for one test."""
    make, predict = xgb.Booster.__init__, xgb.Booster.inplace_predict
    for kind in (xgb.DMatrix, xgb.QuantileDMatrix):
        patch.setattr(kind, "__init__", _on_host(kind.__init__))

    def fake_make(self: xgb.Booster, params: Any = None, *args: Any, **kwargs: Any) -> None:
        on_gpu = isinstance(params, dict) and params.get("device") == "cuda"
        make(self, params | {"device": "cpu"} if on_gpu else params, *args, **kwargs)
        if on_gpu:
            self.__class__ = GpuBooster

    def fake_predict(self: xgb.Booster, data: Any, **kwargs: Any) -> Any:
        if isinstance(data, Ndarray) is not isinstance(self, GpuBooster):
            raise AssertionError(f"mismatched devices: {type(self).__name__} and {type(data).__name__}")
        found = predict(self, _host(data), **kwargs)
        return wrap(found) if isinstance(data, Ndarray) else found

    patch.setattr(xgb.Booster, "__init__", fake_make)
    patch.setattr(xgb.Booster, "inplace_predict", fake_predict)


def _host(value: Any) -> Any:
    return unwrap(value) if isinstance(value, Ndarray) else value


def _on_host(init: Any) -> Any:
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *map(_host, args), **{name: _host(value) for name, value in kwargs.items()})

    return call
