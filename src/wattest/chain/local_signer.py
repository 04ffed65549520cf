"""The signer whose key this process holds: 32 bytes, read from a file that only its owner may read."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, Self

from wattest.crypto.errors import KeyMaterialInvalid
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.io.files import KeyFileInvalid, read_key_file


class LocalSigner:
    """Signs with one private key of 32 bytes, the same signature each time (RFC 6979)."""

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        try:
            self._key = Secp256k1PrivateKey.from_seed(private_key)
        except KeyMaterialInvalid as error:
            raise KeyFileInvalid("not a secp256k1 private key") from error.with_traceback(None)
        self.address = self._key.address

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the key from a 0600 file of 64 hex digits; raises as ``read_key_file``."""
        return cls(read_key_file(path))

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes over a 32-byte digest, as the port says."""
        return self._key.sign_digest(digest)

    def __repr__(self) -> str:
        """The address, never the key."""
        return f"LocalSigner(0x{self.address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not pickled or copied")
