"""A stored model as an ONNX graph: `features` and `offset` become `probability`, or `value`.

The offset is the logit of a base rate, or of labels that are values the historical mean.

The graphs are written node by node: onnxmltools and skl2onnx know neither offsets, nor factors, nor a student that adds
its teacher, and hold the thresholds of LightGBM in single precision, which sends rows near them the other way.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import CLASS, VALUE, Target
from schemas.contract.errors import RequestError
from workers.bars.series import Floats
from workers.models.base import Model
from workers.models.forests import LEAST_SHARE, Forest, RandomForest
from workers.models.lightgbm import LightGBM
from workers.models.logistic import Logistic
from workers.models.perceptron import PerceptronModel
from workers.models.trees import LEAF
from workers.models.xgboost import XGBoost

OPSET, TREE_OPSET, IR_VERSION = 18, 3, 9
# Bits of a LightGBM split: whether a missing value goes left, and which values are missing.
OUTPUTS: dict[Target, str] = {CLASS: "probability", VALUE: "value"}
MOST_SHARE = 1.0 - LEAST_SHARE
DEFAULT_LEFT, MISSING_SHIFT, MISSING_NONE, MISSING_NAN = 2, 2, 0, 2


@dataclass(frozen=True)
class Nodes:
    """Nodes of one tree: children by number, LEAF for none; a row goes left by its mode, missing where `missing_left`.

    `value` is the threshold of an inner node, and the leaf's own of a leaf.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    value: Floats
    missing_left: NDArray[np.bool_]


class Graph:
    """The nodes and constants of a graph, in order."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        """A stored array; returns its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """One operation; returns the name of its result."""
        from onnx import helper

        domain = "ai.onnx.ml" if operator.startswith("Tree") else ""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output


def onnx_of(
    models: Mapping[str, Model], features: Sequence[str], facts: Mapping[str, str], target: Target = CLASS
) -> bytes:
    """The ONNX file of models whose margins are added; `facts` are stored in it as texts.

    Each is named "student" or "teacher": a teacher sees its inputs in single precision. RequestError for a kind of
    model that has no graph.
    """
    from onnx import TensorProto, checker, helper

    graph = Graph()
    total = "offset"
    for name, model in models.items():
        x = "features"
        if name == "teacher":
            x = graph.add("Cast", ["features"], "single", to=TensorProto.FLOAT)
        total = graph.add("Add", [total, _margin(graph, name, model, x)], f"{name}_logit")
    graph.add("Sigmoid" if target == CLASS else "Identity", [total], OUTPUTS[target])
    inputs = [
        helper.make_tensor_value_info("features", TensorProto.DOUBLE, ["rows", len(features)]),
        helper.make_tensor_value_info("offset", TensorProto.DOUBLE, ["rows"]),
    ]
    outputs = [helper.make_tensor_value_info(OUTPUTS[target], TensorProto.DOUBLE, ["rows"])]
    built = helper.make_model(
        helper.make_graph(graph.nodes, "gurukul", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)],
        ir_version=IR_VERSION,
        producer_name="gurukul",
    )
    helper.set_model_props(built, {"features": json.dumps(list(features)), **facts})
    checker.check_model(built, full_check=True)
    return bytes(built.SerializeToString())


def _margin(graph: Graph, name: str, model: Model, x: str) -> str:
    """The margin of a model per row, in double precision, as a vector."""
    if isinstance(model, Logistic):
        return _logistic(graph, name, model, x)
    if isinstance(model, XGBoost):
        trees = json.loads(model.trees.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
        return _ensemble(graph, name, [_of_xgboost(each) for each in trees], x, "BRANCH_LT", np.float32, model.factor)
    if isinstance(model, LightGBM):
        text = model.trees.model_to_string().partition("end of trees")[0]
        trees = [_of_lightgbm(each) for each in re.split(r"^Tree=", text, flags=re.MULTILINE)[1:]]
        return _ensemble(graph, name, trees, x, "BRANCH_LEQ", np.float64, model.factor)
    if isinstance(model, Forest):
        return _forest(graph, name, model, x)
    if isinstance(model, PerceptronModel):
        return _perceptron(graph, name, model, x)
    raise RequestError(f"a {name} of kind {model.kind} has no ONNX graph; the built-in kinds have one")


def _logistic(graph: Graph, name: str, model: Logistic, x: str) -> str:
    from onnx import TensorProto

    x = graph.add("Cast", [x], f"{name}_x", to=TensorProto.DOUBLE)
    missing = graph.add("IsNaN", [x], f"{name}_missing")
    filled = graph.add("Where", [missing, graph.constant(f"{name}_fill", model.fill), x], f"{name}_filled")
    product = graph.add("MatMul", [filled, graph.constant(f"{name}_coefficients", model.coefficients)], f"{name}_dot")
    return graph.add("Add", [product, graph.constant(f"{name}_intercept", model.intercept)], f"{name}_margin")


def _perceptron(graph: Graph, name: str, model: PerceptronModel, x: str) -> str:
    from onnx import TensorProto

    x = graph.add("Cast", [x], f"{name}_x", to=TensorProto.DOUBLE)
    missing = graph.add("IsNaN", [x], f"{name}_missing")
    filled = graph.add("Where", [missing, graph.constant(f"{name}_centre", model.centre), x], f"{name}_filled")
    shifted = graph.add("Sub", [filled, f"{name}_centre"], f"{name}_shifted")
    scaled = graph.add("Div", [shifted, graph.constant(f"{name}_scale", model.scale)], f"{name}_scaled")
    product = graph.add("MatMul", [scaled, graph.constant(f"{name}_inner", model.inner.T)], f"{name}_product")
    units = graph.add("Add", [product, graph.constant(f"{name}_bias", model.bias)], f"{name}_sums")
    units = graph.add("Relu", [units], f"{name}_units")
    outer = graph.add("MatMul", [units, graph.constant(f"{name}_outer", model.outer)], f"{name}_dot")
    added = graph.add("Add", [outer, graph.constant(f"{name}_last", np.float64(model.last))], f"{name}_added")
    return graph.add("Mul", [added, graph.constant(f"{name}_factor", np.float64(model.factor))], f"{name}_margin")


def _forest(graph: Graph, name: str, model: Forest, x: str) -> str:
    """A forest compares inputs of single precision with thresholds of double; its leaves are shares or what it adds."""
    from onnx import TensorProto

    single = graph.add("Cast", [x], f"{name}_single", to=TensorProto.FLOAT)
    if not isinstance(model, RandomForest):
        return _ensemble(graph, name, _of_forest(model, 1), single, "BRANCH_LEQ", np.float64, model.factor)
    factor = model.factor if model.target == VALUE else 1.0
    mean = _ensemble(graph, name, _of_forest(model, model.rounds), single, "BRANCH_LEQ", np.float64, factor)
    if model.target == VALUE:
        return mean
    bounds = (graph.constant(f"{name}_{which}", end) for which, end in (("least", LEAST_SHARE), ("most", MOST_SHARE)))
    share = graph.add("Clip", [mean, *bounds], f"{name}_share")
    rest = graph.add("Sub", [graph.constant(f"{name}_one", 1.0), share], f"{name}_rest")
    logit = graph.add("Log", [graph.add("Div", [share, rest], f"{name}_odds")], f"{name}_log_odds")
    return graph.add("Mul", [logit, graph.constant(f"{name}_size", model.factor)], f"{name}_scaled_logit")


def _ensemble(
    graph: Graph, name: str, trees: Sequence[Nodes], x: str, mode: str, kind: type[np.floating[Any]], factor: float
) -> str:
    """The sum of the leaves that a row reaches, times the factor; inputs and thresholds have the precision `kind`."""
    from onnx import TensorProto, numpy_helper

    single = kind is np.float32
    x = graph.add("Cast", [x], f"{name}_x", to=TensorProto.FLOAT if single else TensorProto.DOUBLE)
    sizes = [len(each.left) for each in trees]
    tree = np.repeat(np.arange(len(trees)), sizes)
    node = np.concatenate([np.arange(size) for size in sizes])
    left, right, feature, value, missing_left = (
        np.concatenate([getattr(each, field) for each in trees])
        for field in ("left", "right", "feature", "value", "missing_left")
    )
    leaf = left == LEAF
    numbers = {
        "nodes_values": np.where(leaf, 0.0, value).astype(kind),
        "target_weights": value[leaf].astype(kind),
    }
    values: dict[str, Any] = (
        {key: found.tolist() for key, found in numbers.items()}
        if single
        else {f"{key}_as_tensor": numpy_helper.from_array(found) for key, found in numbers.items()}
    )
    raw = graph.add(
        "TreeEnsembleRegressor", [x], f"{name}_leaves", n_targets=1, aggregate_function="SUM",
        nodes_treeids=tree.tolist(), nodes_nodeids=node.tolist(), nodes_featureids=np.where(leaf, 0, feature).tolist(),
        nodes_modes=np.where(leaf, "LEAF", mode).tolist(), nodes_truenodeids=np.where(leaf, 0, left).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, right).tolist(),
        nodes_missing_value_tracks_true=np.where(leaf, False, missing_left).astype(int).tolist(),
        target_treeids=tree[leaf].tolist(), target_nodeids=node[leaf].tolist(),
        target_ids=np.zeros(int(leaf.sum()), dtype=int).tolist(), **values,
    )  # fmt: skip
    # ONNX defines a single-precision result for trees of either kind.
    double = graph.add("Cast", [raw], f"{name}_sum", to=TensorProto.DOUBLE)
    column = graph.add("Squeeze", [double, graph.constant(f"{name}_axis", np.array([1]))], f"{name}_column")
    return graph.add("Mul", [column, graph.constant(f"{name}_factor", factor)], f"{name}_margin")


def _of_forest(model: Forest, divisor: int) -> list[Nodes]:
    """The trees of a forest, whose leaves are divided by a number."""
    trees = model.trees
    found = []
    for begin, end in pairwise([*trees.root.tolist(), len(trees.left)]):
        left, right, feature, threshold, missing, value = (
            getattr(trees, field)[begin:end]
            for field in ("left", "right", "feature", "threshold", "missing_left", "value")
        )
        found.append(Nodes(left, right, feature, np.where(left == LEAF, value / divisor, threshold), missing))
    return found


def _of_xgboost(tree: Mapping[str, Any]) -> Nodes:
    left, right, feature = (
        np.array(tree[field], dtype=np.int64) for field in ("left_children", "right_children", "split_indices")
    )
    missing = np.array(tree["default_left"], dtype=bool)
    return Nodes(left, right, feature, np.array(tree["split_conditions"], dtype=np.float64), missing)


def _of_lightgbm(text: str) -> Nodes:
    """A tree of LightGBM's text; leaves come after the inner nodes, and negative children are leaves."""
    fields = dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))
    leaves = np.array(fields["leaf_value"].split(), dtype=np.float64)
    inner = int(fields["num_leaves"]) - 1
    if not inner:
        none = np.full(1, LEAF, dtype=np.int64)
        return Nodes(none, none, np.zeros(1, dtype=np.int64), leaves[:1], np.zeros(1, dtype=bool))
    decision = np.array(fields["decision_type"].split(), dtype=np.int64)
    threshold = np.array(fields["threshold"].split(), dtype=np.float64)
    kinds = decision >> MISSING_SHIFT
    if not np.isin(kinds, (MISSING_NONE, MISSING_NAN)).all():
        raise RequestError("a LightGBM model that takes zeros as missing has no ONNX graph")
    # Where no value was missing in training LightGBM reads a missing one as 0.
    missing = np.where(kinds == MISSING_NAN, (decision & DEFAULT_LEFT) > 0, threshold >= 0.0)
    left, right = (
        np.concatenate([np.where(child < 0, inner + ~child, child), np.full(len(leaves), LEAF)])
        for child in (np.array(fields[field].split(), dtype=np.int64) for field in ("left_child", "right_child"))
    )
    feature = np.concatenate([np.array(fields["split_feature"].split(), dtype=np.int64), np.zeros(len(leaves), int)])
    missing = np.concatenate([missing, np.zeros(len(leaves), dtype=bool)])
    return Nodes(left, right, feature, np.concatenate([threshold, leaves]), missing)
