"""A hook of MkDocs: each notebook is a page of the site, with the outputs that are stored in it.

mkdocs-jupyter is not used: it leaves links to other pages dead and unchecked, and each page takes 0.7 MB.
"""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

STYLE = re.compile(r"<style.*?</style>", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace each notebook by a Markdown page."""
    for notebook in [each for each in files if each.src_uri.endswith(".ipynb")]:
        files.remove(notebook)
        uri = notebook.src_uri.removesuffix(".ipynb") + ".md"
        files.append(File.generated(config, uri, content=page(Path(config.docs_dir) / notebook.src_uri)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to notebooks lead to their pages."""
    return markdown.replace(".ipynb)", ".md)")


def page(path: Path) -> str:
    """A notebook as Markdown."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts += [f"```python\n{source}\n```", *(_shown(each) for each in cell["outputs"])]
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f'<img alt="Chart" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    if "text/html" in data:
        table = STYLE.sub("", "".join(data["text/html"]))
        return "\n".join(line for line in table.splitlines() if line.strip())
    return f"```text\n{''.join(output.get('text') or data['text/plain']).rstrip()}\n```"
