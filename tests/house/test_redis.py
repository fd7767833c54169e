"""One module makes Redis clients, one spells keys."""

import re
from pathlib import Path

from schemas.redis import keys

ROOT = Path(__file__).parents[2]
PACKAGES = ("gurukul", "orchestrator", "workers", "schemas")


def modules_with(pattern: str) -> set[str]:
    """Modules of the product whose text matches `pattern`."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix() for path in paths if re.search(pattern, path.read_text(encoding="utf-8"))}


def test_only_one_module_makes_redis_clients() -> None:
    """Timeouts and retries of clients are set in `schemas/redis/client.py`."""
    assert modules_with(r"(?<!obstore.store.)\bfrom_url\(|\bfrom_pool\(|\bRedis\(") == {"schemas/redis/client.py"}


def test_only_one_module_spells_keys() -> None:
    """Prefixes of keys are written in `schemas/redis/keys.py`, scripts in Lua files."""
    spelled = set(re.findall(r"[\"']([a-z_-]+):(?=[\"'{])", Path(keys.__file__).read_text(encoding="utf-8")))
    listed = set(re.findall(r"^\| `([a-z_-]+):<", keys.__doc__ or "", re.MULTILINE))
    assert spelled == listed
    assert modules_with(rf"[\"'](?:{'|'.join(sorted(spelled))}):") == {"schemas/redis/keys.py"}
    assert not modules_with(r"redis\.call\(")
