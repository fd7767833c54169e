"""Terms are explained where a page uses them first."""

from orchestrator.audit.glossary import WRITTEN, Marks, _tables, glossary


def test_a_term_is_marked_once_per_page_and_in_every_heading() -> None:
    """The second sentence has no mark; a heading has one again; what is marked is in the page's own glossary."""
    marks = Marks()
    first, second = marks.sentence("alpha <beside> always long"), marks.sentence("the alpha of alphabets")
    assert first.count('class="term"') == 2 and "&lt;beside&gt;" in first
    assert second == "the alpha of alphabets"
    assert 'popovertarget="term-alpha"' in marks.heading("alpha") and marks.heading("strategy") == "strategy"
    assert list(marks.used) == ["alpha", "always long"]


def test_a_term_is_found_as_texts_write_it() -> None:
    """Each short form leads to a term of the judgement; the meanings of all terms end with a full stop."""
    assert set(WRITTEN.values()) <= _tables()["numbers"].keys()
    assert 'popovertarget="term-sharpe-ratio"' in Marks().sentence("a Sharpe of 1")
    assert all(meaning.endswith(".") for meaning in glossary().values())
