"""Files with which a fleet begins: an aclfile of all roles, each role's URL, the fleet's key, the token of metrics."""

import hashlib
import secrets
from dataclasses import replace
from pathlib import Path

from schemas.contract.broker_address import BrokerAddress
from schemas.contract.errors import RequestError
from schemas.files.atomic import write_atomic
from schemas.redis.acl import ROLES

ACL_FILE, KEY_FILE, TOKEN_FILE = "users.acl", "fleet.key", "metrics.token"
# Without a login a client may only ask whether the server answers: a health check needs no password.
DEFAULT_USER = "user default on nopass resetkeys resetchannels -@all +ping"


def write_users(folder: Path, address: BrokerAddress) -> list[str]:
    """Write ROLE.url for each role, with a new password, key and token, and the aclfile with digests of the passwords.

    Returns their names. RequestError if the folder has such files: they may be in use. The aclfile holds no secret, so
    every user may read it; the others are readable by their owner alone. The aclfile comes last and whole: with an
    empty one a server gives every right without a login.
    """
    names = [ACL_FILE, KEY_FILE, TOKEN_FILE, *(f"{name}.url" for name in ROLES)]
    try:
        if any((folder / name).exists() for name in names):
            raise RequestError(
                f"{folder} has files of users, whose passwords may be in use; remove them, or give another --write"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name in (KEY_FILE, TOKEN_FILE):
            _write_private(folder / name, secrets.token_hex(32))
        lines = [DEFAULT_USER]
        for name, role in ROLES.items():
            password = secrets.token_urlsafe(32)
            digest = hashlib.sha256(password.encode()).hexdigest()
            lines.append(f"user {name} on #{digest} {' '.join(role.rules(address.database))}")
            _write_private(folder / f"{name}.url", replace(address, username=name, password=password).url())
        write_atomic(folder / ACL_FILE, "\n".join([*lines, ""]))
        (folder / ACL_FILE).chmod(0o644)
    except OSError as error:
        raise RequestError(f"{folder} cannot be written: {error.strerror}; check --write") from None
    return names


def _write_private(file: Path, line: str) -> None:
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(f"{line}\n", encoding="utf-8")
