"""Write docs/settings.md from RunConfig. Run: python docs/generate.py"""

from pathlib import Path

from pydantic_core import PydanticUndefined

from orchestrator.cli.options import SWITCHES
from orchestrator.resolve import ENV_PREFIX, flag_of
from schemas.config import RunConfig

TARGET = Path(__file__).with_name("settings.md")


def settings_page() -> str:
    """One row a field: flag, TOML key, environment variable, default, meaning."""
    lines = [
        "# Settings",
        "",
        "Written by `python docs/generate.py`. Precedence: TOML file (`--config`), environment, flag.",
        "",
        "| flag | TOML key | environment | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, field in RunConfig.model_fields.items():
        default = "" if field.default in (None, (), PydanticUndefined) else f"`{field.default}`"
        flag = SWITCHES.get(name, flag_of(name)).replace("/", "` `")
        lines.append(f"| `{flag}` | `{name}` | `{ENV_PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(settings_page(), encoding="utf-8")
