"""Keeps together on a line what belongs together: an option, a number and its percent sign, a word of a command."""

import re

from markupsafe import Markup, escape

# Browsers break a line after a hyphen, also after those of an option, and before a percent sign.
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
PERCENT = re.compile(r"(?<=\d) (?=%)")
QUOTED = re.compile(r"`([^`]+)`")
BUTTON = re.compile(r"(\(?)<button[^>]*>[^<]*</button>([),.;:]*)")
NO_BREAK = "\u00a0"
# A word with more letters does not fit on a line of a phone.
LONGEST = 30
WHOLE = '<span class="whole">{}</span>'


def sentence(text: str) -> Markup:
    """Escape a text, keep its options and percentages whole, and set `quoted` names in a font of fixed width."""
    return numbers(QUOTED.sub(lambda found: command(Markup(found[1]).unescape()), options(text)))


def options(text: str) -> str:
    """Escape a text, and keep its options whole outside quotes, which `command` splits by words."""
    parts = re.split(r"(`[^`]+`)", str(escape(text)))
    return "".join(each if each.startswith("`") else OPTION.sub(WHOLE.format(r"\g<0>"), each) for each in parts)


def numbers(text: str) -> Markup:
    """Keep the percentages of HTML whole."""
    return Markup(PERCENT.sub(NO_BREAK, text))


def command(text: object) -> Markup:
    """Set a command or a path in a font of fixed width; a line breaks between its words only."""
    words = (Markup(WHOLE).format(word) if len(word) <= LONGEST else word for word in str(text).split(" "))
    return Markup("<code>{}</code>").format(Markup(" ").join(words))


def joined(text: str) -> str:
    """Let no line break between a button and the bracket or the full stop beside it."""
    return BUTTON.sub(lambda found: WHOLE.format(found[0]) if found[1] or found[2] else found[0], text)
