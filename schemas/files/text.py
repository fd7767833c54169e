"""Text files that people have written: lists, settings, actions."""

import codecs
from pathlib import Path


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its byte order mark. A mark is no part of the text.

    OSError if it cannot be read, UnicodeDecodeError if it is in another encoding.
    """
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8-sig")
