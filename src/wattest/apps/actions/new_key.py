"""``new-key`` of operator, watcher and appraiser, and the watcher's ``new-reader-key``: a file each."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from wattest.io.files import write_key_file


def new_transaction_key(file: Path) -> None:
    """Make a secp256k1 key in ``file`` and print its address."""
    from wattest.crypto.secp256k1 import Secp256k1PrivateKey

    key = secrets.token_bytes(32)
    write_key_file(file, key)
    click.echo("0x" + Secp256k1PrivateKey.from_seed(key).address.hex())


def new_reader_key(file: Path) -> None:
    """Make an X25519 key in ``file`` and print its public half, 32 bytes in hex."""
    from wattest.crypto.hpke import ReaderPrivateKey

    key = secrets.token_bytes(32)
    write_key_file(file, key)
    click.echo(ReaderPrivateKey.from_seed(key).public_key.hex())
