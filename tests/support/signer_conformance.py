"""The one suite of the ``Signer`` port: what every kind of signer must do, whatever holds its key."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from wattest.chain.local_signer import LocalSigner
from wattest.chain.signed_transaction import UnsignedTransaction, sign_transaction
from wattest.chain.signers import KEY_FILE, signer_name
from wattest.crypto.errors import BufferRefused
from wattest.crypto.hashing import keccak256
from wattest.crypto.secp256k1 import ORDER, recover_address
from wattest.crypto.signer import Signer
from wattest.errors import VerificationError, WattestError
from wattest.io.files import KeyFileExposed, KeyFileInvalid, KeyFileMissing, write_key_file
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import EvidenceVerdict, sign_verdict, verify_quorum
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, sign_permit, verify_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy, verify_peer_policy

VERDICT = EvidenceVerdict(
    *(b"\x01" * 20, b"\x02" * 20, bytes(32), b"\x03" * 20, bytes(32), bytes(32), bytes(32)),
    *(10, 20, 5, bytes(32), bytes(32), bytes(32), bytes(32)),
)
SECRET = bytes(range(1, 33))
DIGESTS = [keccak256(bytes([number])) for number in range(64)] + [bytes(32), b"\xff" * 32]


@dataclass(frozen=True)
class SignerMaker:
    """One kind for the suite. ``make`` puts what the kind needs into a folder and says where it is.

    ``secret`` is what must never be seen, where the kind's key can be known at all; ``broken`` are places that hold
    no usable key: how each is made, and the error that it gives.
    """

    kind: str
    make: Callable[[Path], str]
    secret: bytes | None = None
    broken: Mapping[str, tuple[Callable[[Path], str], type[WattestError]]] = field(default_factory=dict)

    def signer(self, folder: Path) -> Signer:
        return signer_name(f"{self.kind}:{self.make(folder)}", folder).open()


def recovers_to_its_address(maker: SignerMaker, folder: Path) -> None:
    signer = maker.signer(folder)
    assert len(signer.address) == 20
    for digest in DIGESTS:
        signature = signer.sign_digest(digest)
        assert len(signature) == 65
        assert recover_address(digest, signature) == signer.address
        assert recover_address(bytes([digest[0] ^ 1]) + digest[1:], signature) != signer.address


def has_its_s_in_the_lower_half(maker: SignerMaker, folder: Path) -> None:
    signer = maker.signer(folder)
    for digest in DIGESTS:
        signature = signer.sign_digest(digest)
        assert 1 <= int.from_bytes(signature[32:64], "big") <= ORDER // 2
        assert signature[64] in (27, 28)


def binds_the_chain_s_number(maker: SignerMaker, folder: Path) -> None:
    signer = maker.signer(folder)
    here = UnsignedTransaction(1, 7, bytes(range(20)), b"\x12\x34", 5, 90_000, 10**10, 10**9)
    raws = [sign_transaction(signer, replace(here, chain_id=number)).raw for number in (1, 31_337)]
    for raw in raws:
        assert bytes.fromhex(Account.recover_transaction(raw)[2:]) == signer.address
    r_s_of_one = raws[0][-67:]  # y parity, r, s of a signature whose numbers are 32 bytes long
    moved = raws[1][: -len(r_s_of_one)] + r_s_of_one
    assert len(r_s_of_one) == 67
    assert bytes.fromhex(Account.recover_transaction(moved)[2:]) != signer.address


def signs_what_managers_and_appraisers_say(maker: SignerMaker, folder: Path) -> None:
    """The messages' own readers take the signature, for this domain and no other."""
    signer, word = maker.signer(folder), bytes(range(32))
    here, elsewhere = Domain(31_337, b"\x01" * 20), Domain(1, b"\x01" * 20)
    channel = ChannelIdentity(signer.address, ChannelKind.SCHEDULED, word)
    permit = HandOverPermit(channel.id, b"\x02" * 20, PermitKind.STANDBY, word, word, word, 1_000)
    policy = PeerPolicy.over(channel.id, b"policy", [], 1_000)
    verdict = replace(VERDICT, channel=channel.id)
    signed, said = sign_permit(signer, permit, here), sign_peer_policy(signer, policy, here)
    given = sign_verdict(signer, verdict, here)
    checks = (
        lambda domain: verify_permit(signed, channel, permit.operator, permit.kind, domain, 0),
        lambda domain: verify_peer_policy(policy, said, channel, domain, 0),
        lambda domain: verify_quorum(verdict, [given], domain, {signer.address}, 1),
    )
    for check in checks:
        check(here)
        with pytest.raises(VerificationError):
            check(elsewhere)


def gives_valid_signatures_each_time(maker: SignerMaker, folder: Path) -> None:
    """Two signatures of one digest may differ: both hold."""
    signer = maker.signer(folder)
    for signature in (signer.sign_digest(DIGESTS[0]), signer.sign_digest(DIGESTS[0])):
        assert recover_address(DIGESTS[0], signature) == signer.address


def is_the_same_account_when_opened_again(maker: SignerMaker, folder: Path) -> None:
    name = signer_name(f"{maker.kind}:{maker.make(folder)}", folder)
    assert name.kind == maker.kind
    assert name.open().address == name.open().address


def refuses_what_is_no_digest(maker: SignerMaker, folder: Path) -> None:
    signer = maker.signer(folder)
    for length in (0, 20, 31, 33, 64):
        with pytest.raises(BufferRefused):
            signer.sign_digest(bytes(length))


def shows_no_secret(maker: SignerMaker, folder: Path) -> None:
    signer = maker.signer(folder)
    with pytest.raises(BufferRefused) as caught:
        signer.sign_digest(b"")
    below = caught.tb.tb_next  # this frame knows the secret: it asks for it
    frames = traceback.TracebackException(caught.type, caught.value, below, capture_locals=True)
    shown = [repr(signer), str(signer), f"{signer}", "".join(frames.format())]
    for way in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError):
            way(signer)
    if maker.secret is not None:
        number = int.from_bytes(maker.secret, "big")
        for form in (maker.secret.hex(), repr(maker.secret)[2:-1], str(number), f"{number:x}"):
            assert not [text for text in shown if form in text.lower()]
    assert signer.address.hex() in repr(signer).lower()


def refuses_a_broken_place(maker: SignerMaker, folder: Path) -> None:
    for name, (make, error) in maker.broken.items():
        inside = folder / name
        inside.mkdir()
        where = make(inside)
        with pytest.raises(error) as caught:
            signer_name(f"{maker.kind}:{where}", inside).open()
        assert isinstance(caught.value, WattestError)
        if maker.secret is not None:
            frames = traceback.TracebackException.from_exception(caught.value, capture_locals=False)
            assert maker.secret.hex() not in "".join(frames.format())
            assert maker.secret.hex() not in repr(caught.value.fields)


CHECKS: list[Callable[[SignerMaker, Path], None]] = [
    recovers_to_its_address,
    has_its_s_in_the_lower_half,
    binds_the_chain_s_number,
    signs_what_managers_and_appraisers_say,
    gives_valid_signatures_each_time,
    is_the_same_account_when_opened_again,
    refuses_what_is_no_digest,
    shows_no_secret,
    refuses_a_broken_place,
]


def _key_file(folder: Path) -> str:
    if not (folder / "operator.key").exists():
        write_key_file(folder / "operator.key", SECRET)
    return "operator.key"


def _changed(change: Callable[[Path], Any]) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        name = _key_file(folder)
        change(folder / name)
        return name

    return make


SIGNER_MAKERS = {
    KEY_FILE: SignerMaker(
        KEY_FILE,
        _key_file,
        SECRET,
        {
            "absent": (lambda _: "nowhere.key", KeyFileMissing),
            "a-folder": (str, KeyFileMissing),
            "world-readable": (_changed(lambda path: path.chmod(0o644)), KeyFileExposed),
            "group-readable": (_changed(lambda path: path.chmod(0o640)), KeyFileExposed),
            "empty": (_changed(lambda path: path.write_bytes(b"")), KeyFileInvalid),
            "half": (_changed(lambda path: path.write_bytes(SECRET[:16].hex().encode())), KeyFileInvalid),
            "longer": (_changed(lambda path: path.write_bytes(SECRET.hex().encode() + b"00")), KeyFileInvalid),
            "no-hex": (_changed(lambda path: path.write_bytes(b"g" * 64)), KeyFileInvalid),
            "zero": (_changed(lambda path: path.write_bytes(b"0" * 64)), KeyFileInvalid),
            "the-order": (_changed(lambda path: path.write_bytes(f"{ORDER:064x}".encode())), KeyFileInvalid),
        },
    )
}


class HighSSigner(LocalSigner):
    """A signer that the suite must refuse: it gives the other of the two s."""

    __slots__ = ()

    def sign_digest(self, digest: bytes) -> bytes:
        signature = super().sign_digest(digest)
        high = ORDER - int.from_bytes(signature[32:64], "big")
        return signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])


class ShowingSigner(LocalSigner):
    """A signer that the suite must refuse: its key is in its repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"ShowingSigner(0x{self.address.hex()}, {SECRET.hex()})"


class LenientSigner(LocalSigner):
    """A signer that the suite must refuse: it hashes what is no digest."""

    __slots__ = ()

    def sign_digest(self, digest: bytes) -> bytes:
        return super().sign_digest(digest if len(digest) == 32 else keccak256(digest))


FLAWED = {
    "high_s": (HighSSigner, has_its_s_in_the_lower_half),
    "showing": (ShowingSigner, shows_no_secret),
    "lenient": (LenientSigner, refuses_what_is_no_digest),
}
