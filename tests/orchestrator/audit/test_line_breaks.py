"""What belongs together stays on one line, and its text is what it was."""

from markupsafe import Markup

from orchestrator.audit.glossary import Marks
from orchestrator.audit.line_breaks import LONGEST, command, sentence


def test_an_option_and_a_percentage_are_whole() -> None:
    """A sentence keeps its text, but for the kind of its spaces; what looks like an option within a word is none."""
    text = "give a<b with --corporate-actions; 57.4 % of pre--dawn, 95 %"
    found = sentence(text)
    assert found.count('<span class="whole">') == 1 and '<span class="whole">--corporate-actions</span>;' in found
    assert found.striptags().replace("\u00a0", " ") == text
    assert "57.4\u00a0%" in found and "95\u00a0%" in found and "a&lt;b" in found


def test_a_quoted_command_is_set_as_one() -> None:
    """Backticks become a font of fixed width, whose words are whole; an option in them is not marked twice."""
    found = sentence("run `orchestrator verify a --data-dir b&c` first")
    assert f"run {command('orchestrator verify a --data-dir b&c')} first" == found
    assert "--data-dir</span>" in found and found.count("--data-dir") == 1 and "b&amp;c" in found


def test_a_long_word_of_a_command_may_break() -> None:
    """Else it would stand beyond the edge of a phone; HTML in a command is text."""
    long = "x" * (LONGEST + 1)
    assert command(f"cat {long}") == Markup(f'<code><span class="whole">cat</span> {long}</code>')
    assert command("<b>") == Markup('<code><span class="whole">&lt;b&gt;</span></code>')


def test_a_bracket_stays_beside_a_term() -> None:
    """A term is a button, which a line may break around, but not where no space stands."""
    found = Marks().sentence("earned beside the market (alpha), then")
    assert '<span class="whole">(<button' in found and "</button>),</span> then" in found
    assert " <button" in found and found.count("whole") == 1
