"""Tokens: what stands in a callback's address and says, unforgeably, which job of which account it is for.

`{job id}.{signature}`: HMAC-SHA-256 under a key derived from ours and from what the token is for, so that a token of
one account or purpose is worth nothing at another. A token has one spelling, never expires by the clock, and is never
logged: it is a credential.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import want_bytes
from itsdangerous.signer import SigningAlgorithm
from pydantic import SecretStr

from schemas.errors import BadToken

_VALUE = re.compile(r"[A-Za-z0-9_-]{1,128}")
# 43 characters carry 258 bits for a signature of 256: the last one has a single spelling with both spare bits clear
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_ACCOUNT = re.compile(r"[a-z0-9_-]+")
# accounts come out of URLs that anybody may ask for
_SIGNERS_KEPT = 256


class _Digest(SigningAlgorithm):
    """HMAC-SHA-256, each key begun once: a callback's answer waits for it.

    `hmac.digest` would let go of the interpreter's lock, and beside busy threads have to wait for it again.
    """

    def __init__(self) -> None:
        self._begun: dict[bytes, hmac.HMAC] = {}

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Sign."""
        begun = self._begun.get(key)
        if begun is None:
            begun = self._begun[key] = hmac.new(key, digestmod="sha256")
        mac = begun.copy()
        mac.update(value)
        return mac.digest()


class _Signer(Signer):
    """Derives each key once."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        super().__init__(keys, salt=purpose, key_derivation="hmac", digest_method=hashlib.sha256, algorithm=_Digest())
        self._derived = {key: super(_Signer, self).derive_key(key) for key in self.secret_keys}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """The key that signs, out of one of ours; of the newest unless told otherwise."""
        return self._derived[self.secret_keys[-1] if secret_key is None else want_bytes(secret_key)]


class Seal:
    """Signs short values for one purpose. `secret_keys`: newest first; the first signs, all verify."""

    def __init__(self, secret_keys: Sequence[str | SecretStr], purpose: str) -> None:
        keys = [key.get_secret_value() if isinstance(key, SecretStr) else key for key in secret_keys]
        # itsdangerous wants the newest last
        self._signer = _Signer(keys[::-1], purpose)

    def seal(self, value: str) -> str:
        """Make the token of a value of 1 to 128 letters, digits, `_` and `-`."""
        if not _VALUE.fullmatch(value):
            raise ValueError("only 1 to 128 letters, digits, _ and - can be sealed")
        return self._signer.sign(value).decode("ascii")

    def open(self, token: str) -> str:
        """Read the value out of a token.

        Raises: BadToken.
        """
        if not _TOKEN.fullmatch(token):
            raise BadToken
        try:
            return self._signer.unsign(token).decode("ascii")
        except BadSignature:
            # its cause would carry the token's payload into a log
            raise BadToken from None


class Tokens:
    """Callback addresses: (account, job id) to path, and back."""

    def __init__(self, secret_keys: Sequence[str | SecretStr]) -> None:
        """Take the keys newest first; the first signs, all verify."""
        self._seal = lru_cache(_SIGNERS_KEPT)(lambda account: Seal(secret_keys, f"callback.v1.{account}"))

    def path(self, account: str, job_id: str) -> str:
        """The path of a job's callback: `/callbacks/{account}/{token}`."""
        return f"/callbacks/{account}/{self._seal(account).seal(job_id)}"

    def read(self, account: str, token: str) -> str:
        """The job id of a callback.

        Raises: BadToken, which says nothing about why.
        """
        if not _ACCOUNT.fullmatch(account):
            raise BadToken
        return self._seal(account).open(token)
