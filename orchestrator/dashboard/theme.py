"""Meaning of each colour on the dashboard. The palette is Okabe and Ito's, distinct for colour-blind people.

Every colour stands beside a word. Vermilion, which reads as red, is for what failed and nothing else. The theme is in
`entry/.streamlit/config.toml`.
"""

from pathlib import Path

BLUE, GREEN, ORANGE, VERMILION, GREY = "#2a8fd0", "#009e73", "#e69f00", "#d55e00", "#8a929b"
ENTRY = Path(__file__).parent / "entry" / "gurukul.py"
STYLE = Path(__file__).with_name("style.css")

# On white and on black; a word that is not here is grey.
STATUS_COLOURS = {
    "running": BLUE,
    "waiting": ORANGE,
    "interrupted": ORANGE,
    "cancelled": ORANGE,
    "failed": VERMILION,
    "ready-for-review": GREEN,
    "success": GREEN,
    "here": GREEN,
    "lost": VERMILION,
    "left": GREY,
    "leaving": ORANGE,
    "refused": ORANGE,
    "skipped": GREY,
    "promote": GREEN,
    "hold": ORANGE,
    "reject": BLUE,
    "passed": GREEN,
    "not passed": VERMILION,
    "warning": ORANGE,
    "pass": GREEN,
    "fail": VERMILION,
    "not computable": ORANGE,
    "informs": GREY,
    "approved": GREEN,
    "rejected": BLUE,
    "deployed": GREEN,
    "rolled back": ORANGE,
    "abandoned": GREY,
}
