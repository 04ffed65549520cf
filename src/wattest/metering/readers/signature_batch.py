"""Many meters' signatures at once: those that hold are known from one call of the core, on all threads.

Decided here: which signatures the core can judge (ECDSA with SHA-256 over P-256 and secp256k1) and in what form it gets
them. Not decided here: why one does not hold, or any other curve or hash: ``signature.verify_signature`` is the rule,
and whoever gets no for an answer here asks it. Invariant: what is said to hold here holds there.
"""

from __future__ import annotations

from collections.abc import Sequence

from wattest.crypto import p256, secp256k1
from wattest.crypto.signatures import Algorithm, judge_signatures
from wattest.metering.readers.public_key import MeterPublicKey
from wattest.metering.readers.signature import DecodedSignature

_HASH_BITS = "256"
_CURVES = {"secp256r1": (Algorithm.P256, p256.ORDER), "secp256k1": (Algorithm.SECP256K1, secp256k1.ORDER)}

Check = tuple[MeterPublicKey, str, bytes, DecodedSignature]
"""What ``verify_signature`` takes: a key on its curve, the bits of the hash, the message, and the pair (r, s)."""


def hold_together(checks: Sequence[Check | None]) -> list[bool]:
    """For each check whether the core says that it holds; False also where it cannot say, and for None."""
    holds = [False] * len(checks)
    chosen: dict[str, list[tuple[int, bytes, bytes, bytes]]] = {name: [] for name in _CURVES}
    for place, check in enumerate(checks):
        if check is None:
            continue
        key, hash_bits, message, pair = check
        if key.curve is None or hash_bits != _HASH_BITS or key.curve.name not in _CURVES:
            continue
        signature = _low(pair, _CURVES[key.curve.name][1])
        if signature is not None:
            chosen[key.curve.name].append((place, key.point, message, signature))
    for name, each in chosen.items():
        if each:
            places, keys, messages, signatures = zip(*each, strict=True)
            verdicts = judge_signatures(_CURVES[name][0], keys, messages, signatures)
            for place, verdict in zip(places, verdicts, strict=True):
                holds[place] = verdict
    return holds


def _low(signature: DecodedSignature, order: int) -> bytes | None:
    """r||s with s in the lower half: (r, s) and (r, n - s) hold alike, and meters know no such rule."""
    if not (0 < signature.r < order and 0 < signature.s < order):
        return None
    return signature.r.to_bytes(32, "big") + min(signature.s, order - signature.s).to_bytes(32, "big")
