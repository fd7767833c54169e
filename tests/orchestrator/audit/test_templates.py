"""What the pages' templates share."""

import json

import pytest

from orchestrator.audit.templates import within_script


@pytest.mark.parametrize("word", ["</script>", "</ScRiPt ", "<!-- <script>", "a < b </p>"])
def test_no_string_ends_its_script(word: str) -> None:
    """Whatever a symbol or a run is named: the text has no end of a script, and is the same JSON."""
    escaped = within_script(json.dumps({"name": word}))
    assert "</script" not in escaped.lower() and "<!--" not in escaped
    assert json.loads(escaped) == {"name": word}
