"""The report of a judged run, which a notebook shows in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from orchestrator.audit.frame import POLICY, SANDBOX
from schemas.contract.conclusion import Conclusion


@dataclass(frozen=True)
class Report:
    """What the gates of a run come to. As the last line of a notebook's cell it shows the whole page.

    `path` is `report.html` of the audit bundle, `conclusion` the verdict with its figures, `height` that of the frame
    in pixels.
    """

    path: Path
    conclusion: Conclusion
    height: int = 700

    @property
    def html(self) -> str:
        """The page as it is stored, with all that it needs."""
        return self.path.read_text(encoding="utf-8")

    def __str__(self) -> str:
        found = self.conclusion
        return "\n".join(
            [
                f"{found.recommendation.value}: {found.sentence}",
                *found.alerts,
                *(f"{each.name}: {each.headline}. {each.meaning}" for each in found.sureness),
                *found.basis,
                f"next: {found.advice}",
            ]
        )

    def _repr_html_(self) -> str:
        policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        page = self.html.replace("<head>", f"<head>{policy}", 1)
        return (
            f'<iframe sandbox="{SANDBOX}" srcdoc="{escape(page)}" title="{escape(self.path.name)}"'
            f' style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )
