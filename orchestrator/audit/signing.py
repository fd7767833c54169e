"""Ed25519 signatures with a key that the user provides; this program creates and stores no keys."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.contract.errors import RequestError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HINT = "`openssl genpkey -algorithm ed25519` makes one"


def read_private_key(path: str | Path) -> "Ed25519PrivateKey":
    """The signing key of a PEM file; RequestError unless it is an unencrypted Ed25519 key that can be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise RequestError(f"--signing-key {path} cannot be read: {error.strerror}; {HINT}") from None
    except TypeError:
        raise RequestError(f"--signing-key {path} is encrypted; give one that is not") from None
    except (ValueError, UnsupportedAlgorithm):
        raise RequestError(f"--signing-key {path} holds no private key in PEM; {HINT}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise RequestError(f"--signing-key {path} is not an Ed25519 key; {HINT}")
    return key


def read_public_key(path: str | Path) -> "Ed25519PublicKey":
    """The public key of a PEM file; RequestError unless it is one of Ed25519."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(Path(path).read_bytes())
    except OSError as error:
        raise RequestError(f"public key {path} cannot be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise RequestError(f"{path} holds no public key in PEM; `openssl pkey -pubout` writes one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise RequestError(f"{path} is not an Ed25519 public key")
    return key


def public_pem(key: "Ed25519PublicKey") -> bytes:
    """Encode a public key as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: "Ed25519PublicKey") -> str:
    """`SHA256:` and the hex digest of the public key's DER, as `openssl pkey -pubin -outform DER | sha256sum`."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return "SHA256:" + hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def is_signature(key: "Ed25519PublicKey", signature: bytes, content: bytes) -> bool:
    """Whether `key`'s owner signed these bytes."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
