"""Writes and checks a folder's `manifest.json`: the SHA-256 of every file in it, signed if there is a key.

`manifest.sig` is the bare signature of the manifest's bytes, `manifest.pub` the key to check it with, so that one
`openssl pkeyutl -verify -rawin` does too. The manifest names the signer, so a removed signature is noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from orchestrator.audit.signing import fingerprint, is_signature, public_pem, read_private_key, read_public_key
from schemas.contract.errors import FileError, RequestError
from schemas.files.atomic import sha256_of, to_json, write_atomic
from schemas.files.layout import MANIFEST, PUBLIC_KEY, SIGNATURE
from schemas.files.sealed import Sealed, read_sealed

SEAL = (MANIFEST, SIGNATURE, PUBLIC_KEY)
UNSIGNED = "unsigned"


@dataclass(frozen=True)
class Checked:
    """Result of checking a signed folder: a sentence for each fault, one on the signature, and the number of files."""

    faults: tuple[str, ...]
    signature: str
    files: int


def seal(folder: Path, head: Mapping[str, str], signing_key: str | None) -> None:
    """Write the manifest of all files in `folder`, headed by `head`, and its signature if there is a key."""
    key = read_private_key(signing_key) if signing_key else None
    signer = fingerprint(key.public_key()) if key else None
    for name in SEAL:
        (folder / name).unlink(missing_ok=True)
    content = to_json({**head, "signed_by": signer, "sha256": _digests(folder)})
    if key is not None:
        write_atomic(folder / SIGNATURE, key.sign(content.encode()))
        write_atomic(folder / PUBLIC_KEY, public_pem(key.public_key()))
    write_atomic(folder / MANIFEST, content)


def check(folder: Path, head: Mapping[str, str], public_key: str | None = None) -> Checked:
    """Compare every file with the manifest, and the manifest with its signature; RequestError for a bad public key."""
    trusted = read_public_key(public_key) if public_key else None
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        manifest = Sealed.model_validate_json(content)
    except FileNotFoundError:
        return Checked((f"{path} is missing",), UNSIGNED, 0)
    except ValidationError:
        return Checked((f"{path} is damaged",), UNSIGNED, 0)
    found, recorded, signer, own = _digests(folder), manifest.sha256, manifest.signed_by, manifest.model_extra or {}
    links = [name for name in found if (folder / name).is_symlink()]
    faults = [f"{path} has a {name} other than {value}" for name, value in head.items() if own.get(name) != value]
    faults += [f"{folder / name} is a link, whose target may change; copy the file itself" for name in links]
    faults += [f"{folder / name} is missing" for name in sorted(recorded.keys() - found.keys())]
    faults += [f"{folder / name} is not in {MANIFEST}" for name in sorted(found.keys() - recorded.keys())]
    faults += [
        f"{folder / name} differs from what {MANIFEST} recorded"
        for name in sorted(recorded.keys() & found.keys())
        if recorded[name] != found[name]
    ]
    if signer is None:
        if any((folder / name).exists() for name in (SIGNATURE, PUBLIC_KEY)):
            faults.append(f"{folder} holds a signature, but its manifest is unsigned")
        if trusted is not None:
            faults.append(f"{path} is unsigned, so the public key has nothing to check")
        return Checked(tuple(faults), UNSIGNED, len(found))
    try:
        key, signature = read_public_key(folder / PUBLIC_KEY), (folder / SIGNATURE).read_bytes()
    except RequestError as error:
        return Checked((*faults, f"{path} was signed by {signer}, but {error}"), "not verifiable", len(found))
    except OSError as error:
        fault = f"{path} was signed by {signer}, but {folder / SIGNATURE} cannot be read: {error.strerror}"
        return Checked((*faults, fault), "not verifiable", len(found))
    if fingerprint(key) != signer or not is_signature(key, signature, content):
        faults.append(f"{folder / SIGNATURE} is not a signature of {MANIFEST} by {signer}")
        return Checked(tuple(faults), "not verifiable", len(found))
    if trusted is None:
        return Checked(tuple(faults), f"signed by {signer}, not checked against a key you trust", len(found))
    if fingerprint(trusted) != signer:
        faults.append(f"{path} is signed by {signer}, the public key given is {fingerprint(trusted)}")
        return Checked(tuple(faults), f"signed by {signer}, which is another key", len(found))
    return Checked(tuple(faults), f"signed by {signer}, the key you gave", len(found))


def is_audit(folder: Path) -> bool:
    """Whether the folder's manifest is that of a run's audit, not of a release; False if it is missing or damaged."""
    try:
        return "run_id" in (read_sealed(folder).model_extra or {})
    except FileError:
        return False


def is_signed_by(folder: Path, signing_key: str) -> bool:
    """Whether the folder's manifest names the owner of this private key as its signer."""
    signer = read_sealed(folder).signed_by
    return signer == fingerprint(read_private_key(signing_key).public_key())


def _digests(folder: Path) -> dict[str, str]:
    """Map relative name to SHA-256, for each file except the manifest and its signature."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {
        name: sha256_of(path) if path.is_file() else "not a file"
        for path in files
        if (name := path.relative_to(folder).as_posix()) not in SEAL
    }
