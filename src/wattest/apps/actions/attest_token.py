"""``wattest attest token``: open a signed attestation result (EAR) and say what it says.

Decided here: how the verifier's key is given, how old a result may be, how bad, and what is printed. The signature is
``wattest.attestation.ear_token``'s, the claims are ``wattest.attestation.ear``'s. Nothing is printed of a token whose
signature does not hold.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.collateral_words import moment, printable
from wattest.attestation.collateral_age import show_span
from wattest.attestation.ear import Ear
from wattest.attestation.ear_token import MAX_TOKEN_BYTES, open_ear
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.trust_vector import SEVERITY, Tier, tier_of
from wattest.attestation.trust_words import CLAIM_WORDS, value_words
from wattest.errors import EXIT_DONE, EXIT_VERIFICATION, InputError, VerificationError

MAX_KEY_BYTES = 8_192
_HEX_KEY = re.compile(r"[0-9a-f]{128}\Z")


class VerifierKeyMalformed(InputError):
    """A verifier's public key that is neither 64 bytes in hex nor a P-256 key in PEM."""


class EarTooOld(VerificationError):
    """An attestation result made longer ago than the reader takes, or after the time of reading."""


def open_token(
    file: Path, *, key: str, now: int | None, maximum_age: int | None, require: str | None, as_json: bool
) -> int:
    """What ``wattest attest token open`` does."""
    if maximum_age is not None and now is None:
        raise click.UsageError("--maximum-age needs the time of reading: give --at, too")
    ear = open_ear(read_bounded(file, MAX_TOKEN_BYTES).strip(), _key(key))
    if now is not None:
        _verify_time(ear, now, maximum_age)
    good = require is None or _is_at_least(ear.status, Tier(require))
    if as_json:
        click.echo(json.dumps(_as_dict(ear), indent=2))
    else:
        for line in _explain(ear, now):
            click.echo(printable(line))
        if not good:
            click.echo(f"NOT GOOD ENOUGH: {ear.status} where {require} is required")
    return EXIT_DONE if good else EXIT_VERIFICATION


def _is_at_least(status: Tier, wanted: Tier) -> bool:
    return status is not Tier.NONE and SEVERITY.index(status) <= SEVERITY.index(wanted)


def _key(named: str) -> bytes:
    if _HEX_KEY.match(named):
        return bytes.fromhex(named)
    data = read_bounded(Path(named), MAX_KEY_BYTES, hint="--key takes 128 hex digits, or a file")
    text = data.strip().decode("ascii", "replace")
    if _HEX_KEY.match(text):
        return bytes.fromhex(text)
    try:
        key = load_pem_public_key(data)
    except X509_FAULTS as error:
        raise VerifierKeyMalformed(
            "the verifier's key cannot be read", hint="128 hex digits (X and Y), or a P-256 public key in PEM"
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise VerifierKeyMalformed("the verifier's key is no P-256 key", hint="EARs are signed with ES256 here")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def _verify_time(ear: Ear, now: int, maximum_age: int | None) -> None:
    ear.verify_unexpired(now)
    age = now - ear.appraised_at
    if age < 0:
        raise EarTooOld("the appraisal lies after the time of reading", hint="check --at and the clocks", ahead_s=-age)
    if maximum_age is not None and age > maximum_age:
        raise EarTooOld(
            "the attestation result is too old", hint="ask the verifier for a new one", expected=maximum_age, actual=age
        )


def _as_dict(ear: Ear) -> dict[str, object]:
    vector = {
        name: {"value": value, "tier": tier_of(value).value, "words": value_words(name, value)}
        for name, value in ear.vector.items()
    }
    return {
        "status": ear.status.value,
        "accepted": ear.accepted,
        "attester": ear.submodule,
        "vector": vector,
        "reasons": list(ear.reasons),
        "codes": list(ear.codes),
        "appraised_at": ear.appraised_at,
        "expires_at": ear.expires_at,
        "verifier": {"developer": ear.developer, "build": ear.build},
        "policy_ids": list(ear.policy_ids),
        "claims": ear.claims,
    }


def _explain(ear: Ear, now: int | None) -> list[str]:
    verdict = {None: "the verifier does not say whether its policy accepts", True: "accepted", False: "not accepted"}
    aged = "" if now is None else f", {show_span(now - ear.appraised_at)} ago"
    lines = [
        f"{ear.status.upper()} ({verdict[ear.accepted]})",
        f"  verifier:    {ear.developer}, {ear.build}",
        f"  appraised:   {moment(ear.appraised_at)}{aged}",
        f"  attester:    {ear.submodule.replace('_', ' ')}",
    ]
    if ear.expires_at is not None:
        lines.append(f"  expires:     {moment(ear.expires_at)}")
    lines += [f"  policy:      {each}" for each in ear.policy_ids]
    for name in CLAIM_WORDS:
        if name in ear.vector:
            value = ear.vector[name]
            lines.append(f"  {name + ':':<18} {tier_of(value).value} ({value}): {value_words(name, value)}")
    lines += [f"  reason:      {reason}" for reason in ear.reasons]
    return lines
