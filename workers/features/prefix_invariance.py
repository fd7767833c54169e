"""The check that a feature at a bar reads no later bar: computed again from a shorter history, it is the same."""

from collections.abc import Sequence

import numpy as np

from workers.bars.series import Floats


def reads_ahead(whole: Floats, prefix: Floats, names: Sequence[str], tolerance: float | Floats) -> list[str]:
    """Return one sentence per feature whose values change when the bars after the last row are removed.

    `whole` and `prefix` have shape (rows, features); `prefix` was computed from the bars up to its last row. With
    `tolerance` 0, for all features or one value each, any changed bit counts. A GPU needs more than 0: the order in
    which its filters add depends on the number of bars.
    """
    same = np.isclose(whole, prefix, rtol=tolerance, atol=tolerance, equal_nan=True)
    return [
        f"feature {name} reads past its bar: {int((~column).sum())} values change without later bars"
        for name, column in zip(names, same.T, strict=True)
        if not column.all()
    ]
