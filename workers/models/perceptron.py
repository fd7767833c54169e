"""A perceptron with one hidden layer, fitted by PyTorch on the CPU or a GPU, stored as JSON, served with numpy alone.

On the CPU its fit runs on one thread with PyTorch's deterministic algorithms, so that it has the same bytes again. A
GPU adds in another order: `orchestrator replay` accepts `GPU_TOLERANCE` there, as for XGBoost.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from schemas.config.model_kinds import PerceptronStudent, PerceptronTeacher
from schemas.config.target import CLASS, VALUE
from schemas.contract.errors import RequestError
from workers.bars.series import Floats
from workers.devices.arrays import Array, to_host
from workers.models.base import Model, Recipe, Rows, Stopped
from workers.models.registry import register

if TYPE_CHECKING:  # only a process that fits such a model loads PyTorch
    import torch

# Rows that pass through the hidden layer at once.
CHUNK_ROWS = 1_024
LEAST_SCALE = 1e-12
ARRAYS = ("centre", "scale", "inner", "bias", "outer")


@register
@dataclass(frozen=True)
class PerceptronModel(Model):
    """margin = factor * (last + sum over units of outer * max(0, bias + inner . standardised inputs)).

    `inner` has shape (units, features). A missing input counts as `centre`.
    """

    kind: ClassVar[str] = "perceptron"
    file_name: ClassVar[str] = "model.perceptron.json"
    on_gpu: ClassVar[bool] = True
    is_fragile: ClassVar[bool] = False

    centre: Floats
    scale: Floats
    inner: Floats
    bias: Floats
    outer: Floats
    last: float
    steps: int
    factor: float = 1.0

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Take a fixed number of steps."""
        return cls(**_Fit(Rows(x, soft, weight, offset), recipe).taken(_own(recipe).fixed_rounds, None, 0))

    @classmethod
    def fit_stopped(cls, rows: Rows, tail: Rows, recipe: Recipe) -> Stopped[Self]:
        """Keep the steps with the lowest loss of `tail`."""
        own = cast(PerceptronTeacher, recipe.parameters)
        model = cls(**_Fit(rows, recipe).taken(own.max_rounds, tail, own.early_stopping_rounds))
        return Stopped(model, model.rounds, {**own.model_dump(), "seed": recipe.seed, "device": recipe.device})

    def margin(self, x: Floats) -> Floats:
        """Margin per row of `x`, shape (rows, features); the same bits however many rows there are."""
        parts = [self._margin(x[begin : begin + CHUNK_ROWS]) for begin in range(0, max(len(x), 1), CHUNK_ROWS)]
        return np.concatenate(parts)

    def _margin(self, x: Floats) -> Floats:
        inputs = _standardised(np.asarray(x, dtype=np.float64), self.centre, self.scale)
        units = np.maximum((inputs[:, None, :] * self.inner).sum(axis=2) + self.bias, 0.0)
        result: Floats = self.factor * ((units * self.outer).sum(axis=1) + self.last) + 0.0
        return result

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        return replace(self, factor=factor * self.factor)

    @property
    def rounds(self) -> int:
        """Steps that its weights took."""
        return self.steps

    def encode(self, features: Sequence[str]) -> bytes:
        """The model as JSON, one list per array."""
        arrays = {name: getattr(self, name).tolist() for name in ARRAYS}
        numbers = {"last": self.last, "steps": self.steps, "factor": self.factor}
        parts = {"features": list(features), **numbers, **arrays}
        return json.dumps(parts, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read a stored model. ValueError if a part is missing, of another shape, or not finite."""
        try:
            parts = json.loads(content)
            arrays = {name: np.array(parts[name], dtype=np.float64) for name in ARRAYS}
            features = tuple(map(str, parts["features"]))
            model = cls(**arrays, last=float(parts["last"]), steps=int(parts["steps"]), factor=float(parts["factor"]))
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"a part is missing or no number: {error}") from None
        inputs, units = (len(features),), model.bias.shape
        shapes = {"centre": inputs, "scale": inputs, "inner": units + inputs, "bias": units, "outer": units}
        if len(units) != 1 or any(arrays[name].shape != shape for name, shape in shapes.items()):
            raise ValueError("its arrays do not fit together")
        numbers = np.concatenate([*(each.ravel() for each in arrays.values()), [model.last, model.factor]])
        if not np.isfinite(numbers).all() or np.any(model.scale <= 0.0):
            raise ValueError("a number is not finite, or a scale is not positive")
        return model, features


class _Fit:
    """Steps of Adam on all rows, from small random weights whose output is 0."""

    def __init__(self, rows: Rows, recipe: Recipe) -> None:
        self._recipe, self._own = recipe, _own(recipe)
        x = to_host(rows.x).astype(np.float64)
        known = np.where(np.isfinite(x), x, np.nan)
        counts = np.maximum(np.isfinite(x).sum(axis=0), 1)
        self._centre = np.nansum(known, axis=0) / counts
        scale = np.sqrt(np.nansum((known - self._centre) ** 2, axis=0) / counts)
        # A constant input counts for nothing, even where it has another value later.
        self._scale = np.where(scale < LEAST_SCALE, 1.0 / LEAST_SCALE, scale)
        # Values are fitted in units of their deviation, so that a step is of the same size for every unit.
        self._unit = _deviation(rows) if recipe.target == VALUE else 1.0
        self._rows = self._scaled(rows._replace(x=x))

    def _scaled(self, rows: Rows) -> Rows:
        return rows._replace(soft=rows.soft / self._unit, offset=rows.offset / self._unit)

    def taken(self, steps: int, tail: Rows | None, patience: int) -> dict[str, Any]:
        """The fields of the model after so many steps, or after those that are best for `tail`."""
        import torch

        with _deterministic(torch, self._recipe.device):
            inputs, soft, weight, offset = self._tensors(torch, self._rows)
            judged = None if tail is None else self._tensors(torch, self._scaled(tail))
            loss_of = _losses if self._recipe.target == CLASS else _half_squares
            total = weight.sum()
            parameters = self._begun(torch, inputs.shape[1])
            adam = torch.optim.Adam(parameters, lr=self._own.learning_rate, foreach=False)
            best, kept = float("inf"), self._copied(parameters, 0)
            for step in range(1, steps + 1):
                adam.zero_grad()
                losses = loss_of(torch, offset + _output(torch, inputs, parameters), soft)
                penalty = sum((each**2).sum() for each in (parameters[0], parameters[2]))
                ((weight * losses).sum() / total + self._own.ridge / 2 * penalty / total).backward()
                adam.step()
                if judged is None:
                    continue
                with torch.no_grad():
                    loss = loss_of(torch, judged[3] + _output(torch, judged[0], parameters), judged[1]).mean().item()
                if loss < best:
                    best, kept = loss, self._copied(parameters, step)
                elif step - kept["steps"] >= patience:
                    break
            return self._copied(parameters, steps) if judged is None else kept

    def _tensors(self, torch: Any, rows: Rows) -> "tuple[torch.Tensor, ...]":
        x = _standardised(to_host(rows.x).astype(np.float64), self._centre, self._scale)
        return tuple(
            torch.as_tensor(np.ascontiguousarray(each), dtype=torch.float64, device=self._recipe.device)
            for each in (x, rows.soft, rows.weight, rows.offset)
        )

    def _begun(self, torch: Any, features: int) -> "list[torch.Tensor]":
        """Weights and bias of the hidden layer, weights and bias of the output."""
        rng, units = np.random.default_rng(self._recipe.seed), self._own.hidden
        begun = (
            rng.normal(0.0, 1.0 / np.sqrt(features), (units, features)), np.zeros(units), np.zeros(units), np.zeros(1)
        )  # fmt: skip
        return [torch.tensor(each, device=self._recipe.device, requires_grad=True) for each in begun]

    def _copied(self, parameters: "list[torch.Tensor]", step: int) -> dict[str, Any]:
        inner, bias, outer, last = (each.detach().cpu().numpy().copy() for each in parameters)
        return {
            "centre": self._centre, "scale": self._scale, "inner": inner, "bias": bias, "outer": outer,
            "last": float(last[0]), "steps": step, "factor": self._unit,
        }  # fmt: skip


def _own(recipe: Recipe) -> PerceptronTeacher | PerceptronStudent:
    return cast(PerceptronTeacher | PerceptronStudent, recipe.parameters)


def _standardised(x: Floats, centre: Floats, scale: Floats) -> Floats:
    result: Floats = np.where(np.isfinite(x), x - centre, 0.0) / scale
    return result


def _output(torch: Any, inputs: Any, parameters: Sequence[Any]) -> Any:
    inner, bias, outer, last = parameters
    return torch.relu(inputs @ inner.T + bias) @ outer + last


def _losses(torch: Any, margin: Any, soft: Any) -> Any:
    """Log loss per row of soft labels."""
    return torch.nn.functional.softplus(margin) - soft * margin


def _half_squares(torch: Any, margin: Any, soft: Any) -> Any:
    """Half the squared error per row."""
    return (soft - margin) ** 2 / 2.0


def _deviation(rows: Rows) -> float:
    """Root of the mean square of labels around their offset; 1 where all of them equal it."""
    return float(np.sqrt(np.average((rows.soft - rows.offset) ** 2, weights=rows.weight))) or 1.0


@contextmanager
def _deterministic(torch: Any, device: str) -> Iterator[None]:
    """One thread and deterministic algorithms inside. RequestError if PyTorch sees no GPU where one is wanted."""
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # PyTorch asks for it before its first product
        if not torch.cuda.is_available():
            raise RequestError(
                "the perceptron was to train on a GPU, and the installed PyTorch sees none; install a build with CUDA,"
                " or give --devices cpu:1x1"
            )
    threads, before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(before)
