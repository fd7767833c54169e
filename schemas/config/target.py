"""What models learn to predict: a class or a value, and the words for how predictions of it are scored."""

from typing import Literal, NamedTuple

Target = Literal["class", "value"]
CLASS: Target = "class"
VALUE: Target = "value"


class Loss(NamedTuple):
    """The loss of a target's predictions: its name in keys and in texts, its unit, and the simple prediction beside it.

    `baseline` is what every model adds to: the base rate of a class, the historical mean of a value. `prediction` is
    what a model predicts. Small changes are shown times `scale`, in `small_unit`.
    """

    key: str
    words: str
    unit: str
    baseline: str
    prediction: str
    scale: float
    small_unit: str

    @property
    def change(self) -> str:
        """What a lower loss is called."""
        return f"{self.words.replace(' ', '-')} improvement"

    @property
    def improvement(self) -> str:
        """The name of the test that a model's loss is lower than that of the simplest prediction."""
        return f"{self.change} over the {self.opponent}"

    @property
    def opponent(self) -> str:
        """What a model must beat: of a value the better of the historical mean and 0."""
        return self.baseline if self.key == "log_loss" else f"{self.baseline} or 0"

    @property
    def skill(self) -> str:
        """The name of the improvement as a share of the opponent's loss."""
        return "skill" if self.key == "log_loss" else f"{self.words.replace(' ', '-')} skill"

    @property
    def skill_key(self) -> str:
        """The key of the improvement as a share of the baseline's loss."""
        return f"{self.key}_skill"


LOSSES: dict[Target, Loss] = {
    CLASS: Loss(
        key="log_loss",
        words="log loss",
        unit="nats per row",
        baseline="base rate",
        prediction="probability",
        scale=1e3,
        small_unit="thousandths of a nat of log loss per row",
    ),
    VALUE: Loss(
        key="squared_error",
        words="squared error",
        unit="squared units of the label per row",
        baseline="historical mean",
        prediction="value",
        scale=1.0,
        small_unit="of squared error per row",
    ),
}
