"""`python -P -m schemas.constraints` prints the path of the constraint file for this Python, for `pip install -c`."""

import sys
from pathlib import Path


def constraint_file(major: int, minor: int) -> Path:
    """The file for Python `major`.`minor`; FileNotFoundError if that version is not supported."""
    path = Path(__file__).with_name(f"python{major}.{minor}.txt")
    if not path.is_file():
        raise FileNotFoundError(f"no constraints for Python {major}.{minor}; use 3.11, 3.12 or 3.13")
    return path


if __name__ == "__main__":
    try:
        print(constraint_file(*sys.version_info[:2]))
    except FileNotFoundError as error:
        sys.exit(f"schemas.constraints: {error}")
