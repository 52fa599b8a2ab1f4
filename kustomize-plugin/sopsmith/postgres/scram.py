"""SCRAM-SHA-256 verifiers: what PostgreSQL stores of a password, made so that it never sees it.

RFC 5803 (the form), RFC 5802 (the keys), RFC 4013 (SASLprep) as PostgreSQL reads it: a password
that can't be prepared is taken as it is (src/common/scram-common.c, saslprep.c). Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata

ITERATIONS = 4096  # PostgreSQL's own default
SALT = 16  # bytes
MOST_ITERATIONS = 10_000_000  # more would only keep us busy

_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{0,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)\Z"
)
_MD5 = re.compile(r"md5[0-9a-f]{32}\Z")
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,  # unassigned
)


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """What `pg_authid.rolpassword` holds for a password: not the password, and no secret to log in.

    Whoever sees it can try passwords against it, so a password needs the entropy all the same.
    """
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def steady_verifier(password: str, role: str) -> str:
    """The same verifier for the same password and role, for what must render alike every time.

    The salt is made from the password as slowly as the keys are, so that it helps nobody to guess.
    """
    label = b"sopsmith/v1/scram/" + role.encode()
    return verifier(
        password, hashlib.pbkdf2_hmac("sha256", prepared(password), label, ITERATIONS)[:SALT]
    )


def is_of(stored: str, password: str, role: str) -> bool | None:
    """Whether a stored verifier is of this password; None for a form that is not known.

    `md5` verifiers, which are salted with the role's name, are known too.
    """
    if _MD5.match(stored):
        digest = hashlib.md5(password.encode() + role.encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(stored, f"md5{digest}")
    match = _VERIFIER.match(stored)
    if match is None or int(match[1]) > MOST_ITERATIONS:
        return None
    try:
        salt = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return None
    return hmac.compare_digest(stored, verifier(password, salt, int(match[1])))


def affordable(stored: str, most: int) -> int:
    """How many passwords to compare with a stored verifier in the time that `most` take with
    PostgreSQL's own number of iterations; a few at least."""
    match = _VERIFIER.match(stored)
    return most if match is None else min(most, max(4, most * ITERATIONS // int(match[1])))


def salt_shown(stored: str) -> str | None:
    """What tells a stored verifier from the next one of its role, for everybody to read: of the
    password it says nothing, and the salt itself the server tells whoever begins to log in.

    All `md5` verifiers have the same; None for a form that is not known.
    """
    match = _VERIFIER.match(stored)
    if match is None:
        return "md5" if _MD5.match(stored) else None
    return hashlib.sha256(match[2].encode()).hexdigest()[:16]


def is_scram(stored: str) -> bool:
    """Whether a stored verifier has SCRAM's form."""
    return _VERIFIER.match(stored) is not None


def prepared(password: str) -> bytes:
    """The password as SCRAM hashes it: by SASLprep where that is possible, else as it is.

    As PostgreSQL does, and RFC 4013 does not: what is prohibited is looked for before NFKC, by
    today's Unicode.
    """
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if stringprep.in_table_c12(char) or not stringprep.in_table_b1(char)  # U+200B is in both
    )
    is_possible = mapped and not any(bad(char) for char in mapped for bad in _PROHIBITED)
    if not is_possible or not _is_one_way(mapped):
        return password.encode()
    return unicodedata.normalize("NFKC", mapped).encode()


def _is_one_way(text: str) -> bool:
    """RFC 3454, section 6: text that is read from right to left is all of it, end to end."""
    right = [stringprep.in_table_d1(char) for char in text]
    if not any(right):
        return True
    return right[0] and right[-1] and not any(map(stringprep.in_table_d2, text))
