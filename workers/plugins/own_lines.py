"""Which lines of a stack are those of a plug-in, or of a module beside it."""

from pathlib import Path

from schemas.contract.plugin_packages import is_package, package_files


def is_own_line(path: str, filename: str) -> bool:
    """Whether a file that a stack names belongs to the plug-in `path`."""
    if is_package(path):
        return filename in package_files(path).values()
    return Path(filename).parent == Path(path).parent
