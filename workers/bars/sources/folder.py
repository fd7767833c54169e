"""How a folder of files maps to symbols: `SYMBOL/INTERVAL/*.EXT` (any number of files) or `SYMBOL.EXT`."""

from pathlib import Path

from schemas.errors import RequestError
from schemas.names import check_symbol


def symbol_files(folder: Path, symbol: str, interval: str, suffix: str) -> list[Path]:
    """The files that hold `symbol`'s bars, in name order; empty if there are none."""
    nested = sorted((folder / symbol / interval).glob(f"*{suffix}"))
    single = folder / f"{symbol}{suffix}"
    return nested or ([single] if single.is_file() else [])


def folder_symbols(folder: Path, interval: str, suffix: str) -> list[str]:
    """Every symbol that has files of this interval, sorted; RequestError if the folder is missing or holds none."""
    if not folder.is_dir():
        raise RequestError(f"folder {folder} does not exist; give an existing one, as in csv:path/to/bars")
    nested = {path.name for path in folder.iterdir() if any((path / interval).glob(f"*{suffix}"))}
    names = nested | {path.stem for path in folder.glob(f"*{suffix}")}
    found = sorted(name for name in names if _is_symbol(name))
    if not found:
        raise RequestError(f"folder {folder} has no SYMBOL/{interval}/*{suffix} and no SYMBOL{suffix}")
    return found


def _is_symbol(name: str) -> bool:
    try:
        return bool(check_symbol(name))
    except ValueError:
        return False
