"""What servers and TLS answer to a client that connects, and what it means."""

_OWN = "ssl_certfile=FILE&ssl_keyfile=FILE among the options of its URL"
CLIENT_CERTIFICATE = f"if it wants a certificate of its clients, name one that its authority signed: {_OWN}"
_REFUSED = ("unknown ca", "bad certificate", "certificate expired", "certificate revoked", "certificate unknown")
AUTHORITY = "name the file of its authority: rediss://HOST:PORT/0?ssl_ca_certs=FILE"
# A part of the answer, in lower case, and what it means: it continues "the broker".
_ANSWERS = (
    (
        "invalid username-password pair",
        "refuses the login ({reason}); give its user this password again, or start what uses it again with the new one",
    ),
    ("hello", "does not answer (it has no command HELLO: Redis 6.2 or newer, or Valkey, is needed)"),
    ("db index is out of range", "has no database of that number; give a lower one, such as 0"),
    (
        "protected mode",
        "takes clients of its own host alone (protected mode); give its users passwords (orchestrator acl --write),"
        " then set protected-mode no in its configuration",
    ),
    (
        "certificate is not valid for",
        "has a certificate of another host ({reason}); give the host that its certificate names, or correct the"
        " certificate's subjectAltName",
    ),
    ("certificate has expired", "has a certificate that has expired ({reason}); renew it, or set this host's clock"),
    (
        "no_certificate_or_crl",
        "is not asked: the file that ssl_ca_certs of its URL names holds no certificate ({reason}); copy the broker's"
        " ca.pem there",
    ),
    (
        "key_values_mismatch",
        "is not asked: the key in ssl_keyfile of its URL is not that of the certificate in ssl_certfile ({reason});"
        " give the two that belong together",
    ),
    (
        "pem lib",
        "is not asked: ssl_certfile and ssl_keyfile of its URL name files that hold no certificate and its key"
        " ({reason}); correct them",
    ),
    (
        "certificate required",
        "wants a certificate of its clients ({reason}); name one that its authority signed: " + _OWN,
    ),
    *(
        (
            f"alert {kind}",
            "refuses this client's certificate ({reason}); give one that is still valid and that its authority signed: "
            + _OWN,
        )
        for kind in _REFUSED
    ),
    (
        "certificate_verify_failed",
        "has a certificate that no known authority signed ({reason}); {authority}",
    ),
)


def meaning(text: str, authority: str = AUTHORITY) -> str | None:
    """What an answer means, and the remedy: it continues "the broker". None if it is not known.

    `authority`: what to do if no known authority has signed the broker's certificate.
    """
    known = next((meaning for part, meaning in _ANSWERS if part in text.lower()), None)
    return None if known is None else known.format(reason=text, authority=authority)
