"""What models learn to predict: a class or a value, and the words for how predictions of it are scored."""

from typing import Literal, NamedTuple

Target = Literal["class", "value"]
CLASS: Target = "class"
VALUE: Target = "value"

# Predictions without a model: the baseline's, and 0 for every row.
PRIOR, ZERO = "prior", "zero"


class Loss(NamedTuple):
    """The loss of a target's predictions: its name in keys and texts, its unit, and the simple predictions beside it.

    `baseline` is what every model adds to: the base rate of a class, the historical mean of a value. `opponents` are
    the simple predictions that a model must beat, by their keys in scores, and `opponent` names them together. `skill`
    is the name of an improvement as a share of the best opponent's loss. `prediction` is what a model predicts. Small
    changes are shown times `scale`, in `small_unit`; without a `scale`, in percent of the loss.
    """

    key: str
    words: str
    unit: str
    baseline: str
    opponents: tuple[str, ...]
    opponent: str
    skill: str
    prediction: str
    scale: float | None
    small_unit: str

    @property
    def change(self) -> str:
        """What a lower loss is called."""
        return f"{self.words.replace(' ', '-')} improvement"

    @property
    def improvement(self) -> str:
        """The name of the test that a model's loss is lower than that of the best opponent."""
        return f"{self.change} over the {self.opponent}"

    @property
    def skill_key(self) -> str:
        """The key of the improvement as a share of the opponent's loss."""
        return f"{self.key}_skill"

    @property
    def named_skill(self) -> str:
        """The name of the skill with that of its loss."""
        return f"{self.words.replace(' ', '-')} skill"

    def simple(self, opponent: str) -> str:
        """One of `opponents` in a sentence."""
        return "0" if opponent == ZERO else f"the {self.baseline}"


LOSSES: dict[Target, Loss] = {
    CLASS: Loss(
        key="log_loss",
        words="log loss",
        unit="nats per row",
        baseline="base rate",
        opponents=(PRIOR,),
        opponent="base rate",
        skill="skill",
        prediction="probability",
        scale=1e3,
        small_unit="thousandths of a nat of log loss per row",
    ),
    VALUE: Loss(
        key="squared_error",
        words="squared error",
        unit="squared units of the label per row",
        baseline="historical mean",
        opponents=(PRIOR, ZERO),
        opponent="historical mean or 0",
        skill="squared-error skill",
        prediction="value",
        scale=None,
        small_unit="% of the squared error",
    ),
}
