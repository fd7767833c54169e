"""Manifests and signatures: a folder's files are those that were sealed, by the signer that the manifest names."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from orchestrator.audit.signed_manifest import check, seal
from orchestrator.audit.signing import fingerprint, public_pem, read_private_key
from schemas.contract.errors import RequestError

HEAD = {"run_id": "one"}


def write_key(path: Path) -> Path:
    """A new signing key; its public half is stored beside it as `.pub`."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.with_suffix(".pub").write_bytes(public_pem(key.public_key()))
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.pem")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one in a folder."""
    folder = tmp_path / "bundle"
    (folder / "plots").mkdir(parents=True)
    (folder / "metrics.json").write_text("{}\n")
    (folder / "plots" / "a.png").write_bytes(b"\x89PNG")
    return folder


def test_an_unsigned_folder_names_no_signer(folder: Path) -> None:
    """Without a key the digests are checked and no signer is reported; a public key then has no use."""
    seal(folder, HEAD, None)
    found = check(folder, HEAD)
    assert (found.faults, found.signature, found.files) == ((), "unsigned", 2)
    trusted = write_key(folder.parent / "other.pem").with_suffix(".pub")
    assert "is unsigned" in check(folder, HEAD, str(trusted)).faults[0]


def test_a_signature_differs_from_a_trusted_one(folder: Path, key: Path) -> None:
    """A signature alone shows only a claimed signer; a trusted public key proves it."""
    seal(folder, HEAD, str(key))
    name = fingerprint(read_private_key(key).public_key())
    assert check(folder, HEAD).signature == f"signed by {name}, not checked against a key you trust"
    assert check(folder, HEAD, str(key.with_suffix(".pub"))).signature == f"signed by {name}, the key you gave"
    other = write_key(key.with_name("other.pem")).with_suffix(".pub")
    assert "is signed by" in check(folder, HEAD, str(other)).faults[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "metrics.json").write_text("{ }\n"),
        lambda folder: (folder / "plots" / "a.png").unlink(),
        lambda folder: (folder / "plots" / "b.png").write_bytes(b""),
        lambda folder: (folder / "plots" / "b.png").symlink_to("a.png"),
        lambda folder: (folder / "plots" / "b.png").symlink_to("nowhere"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.sig").unlink(),
        lambda folder: (folder / "manifest.pub").unlink(),
        lambda folder: (folder / "manifest.sig").write_bytes(bytes(64)),
        lambda folder: (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes() + b"\n"),
    ],
)
def test_any_change_is_a_fault(folder: Path, key: Path, spoil: object) -> None:
    """An added, removed or changed file, and a damaged or missing seal, are each named."""
    seal(folder, HEAD, str(key))
    assert check(folder, HEAD).faults == ()
    spoil(folder)  # type: ignore[operator]
    assert check(folder, HEAD).faults


def test_a_changed_and_resealed_folder_has_another_key_or_none(folder: Path, key: Path) -> None:
    """A completely new manifest is consistent; only the trusted key reveals the difference."""
    seal(folder, HEAD, str(key))
    (folder / "metrics.json").write_text('{"skill": 1}\n')
    for forger in (None, str(write_key(key.with_name("forger.pem")))):
        seal(folder, HEAD, forger)
        assert check(folder, HEAD).faults == ()
        assert check(folder, HEAD, str(key.with_suffix(".pub"))).faults


def test_a_bundle_of_another_run_is_not_this_ones(folder: Path) -> None:
    """The manifest names its run."""
    seal(folder, HEAD, None)
    assert "a run_id other than two" in check(folder, {"run_id": "two"}).faults[0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_checks_it_too(folder: Path, key: Path) -> None:
    """The signature is one of the manifest's bytes, in the form that a common tool reads."""
    seal(folder, HEAD, str(key))
    command = "openssl pkeyutl -verify -pubin -inkey manifest.pub -rawin -in manifest.json -sigfile manifest.sig"
    assert subprocess.run(command.split(), cwd=folder, capture_output=True).returncode == 0


def test_keys_that_cannot_sign_are_one_sentence(tmp_path: Path, key: Path) -> None:
    """A key that is missing, not PEM, public, encrypted or of another algorithm is refused with the reason."""
    files = {"text.pem": b"no key", "public.pem": key.with_suffix(".pub").read_bytes()}
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    files["rsa.pem"] = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = read_private_key(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    files["locked.pem"] = locked
    reasons = {"text.pem": "no private key", "public.pem": "no private key", "rsa.pem": "not an Ed25519 key"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError, match=reasons.get(name, "encrypted")):
            read_private_key(tmp_path / name)
    with pytest.raises(RequestError, match="cannot be read"):
        read_private_key(tmp_path / "none.pem")


def test_a_link_in_a_folder_is_named(tmp_path: Path) -> None:
    """Its target may change after the check."""
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "summary.md").write_text("hold\n")
    seal(folder, {}, None)
    (folder / "summary.md").rename(tmp_path / "elsewhere.md")
    (folder / "summary.md").symlink_to("../elsewhere.md")
    (fault,) = check(folder, {}).faults
    assert fault == f"{folder / 'summary.md'} is a link, whose target may change; copy the file itself"
