"""Reasons in plain words."""

import pytest

from schemas.contract.reason_words import WORDS, tally, words_for
from schemas.contract.task import FailureClass
from schemas.contract.window import SkipReason


@pytest.mark.parametrize("reason", [*SkipReason, *FailureClass])
def test_every_reason_has_words_without_underscores(reason: str) -> None:
    """A new reason without words would be shown as its code; two with the same words could not be told apart."""
    words = WORDS[reason]
    assert "_" not in words
    assert list(WORDS.values()).count(words) == 1


def test_other_texts_are_shown_as_they_are() -> None:
    """A reason of a plug-in or of a later version has no words here."""
    assert words_for("too_hot") == "too_hot"
    assert words_for(None) == ""
    assert tally({SkipReason.NO_DATA: 15, "too_hot": 1}) == "no bars on its days (15), too_hot (1)"
