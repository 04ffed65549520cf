"""``wattest manager``: sign as a channel's manager what its enclaves must not take from a host.

Decided here: what is asked for, and the table that is printed for the operator's file. Not decided here: the messages
(``messages.peer_policy``, ``messages.hand_over_permit``) and what enclaves make of them (docs/spec/ra-tls.md).
Invariant: nothing is signed for another channel than the key's own, or over a policy that would refuse both enclaves.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.settings_reader import SettingInvalid
from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.chain.signers import open_signer
from wattest.crypto.toml_text import toml_value
from wattest.errors import VerificationError
from wattest.messages.channel_name import find_channel
from wattest.messages.hand_over_permit import HandOverPermit, PermitKind, sign_permit
from wattest.messages.peer_policy import PeerPolicy, sign_peer_policy
from wattest.receipt.deployment import parse_deployment
from wattest.units import SECONDS_PER_DAY

MAX_POLICY_BYTES = 256 * 1024
MAX_DEPLOYMENT_BYTES = 1024 * 1024


class NotTheManager(VerificationError):
    """A key that is not the channel's manager's: no enclave would take its signature."""


class PolicyTooNarrow(VerificationError):
    """A policy that names neither end's measurement: the enclaves would refuse each other."""


def permit_hand_over(
    key_file: Path,
    deployment: Path,
    channel: str,
    operator: str,
    policy: Path,
    from_measurement: str,
    to_measurement: str,
    platform: str,
    *,
    standby: bool,
    days: int,
    as_json: bool,
) -> None:
    """What ``wattest manager permit-hand-over`` does."""
    book = parse_deployment(read_bounded(deployment, MAX_DEPLOYMENT_BYTES))
    key = open_signer(key_file)
    identity = find_channel(book.channels, channel)
    wanted = identity.id
    if identity.manager != key.address:
        raise NotTheManager("the key is not the channel's manager's", expected=identity.manager, actual=key.address)
    data = read_bounded(policy, MAX_POLICY_BYTES)
    giver, taker = _octets("from", from_measurement, 32), _octets("to", to_measurement, 32)
    _require_named(parse_policy(data), giver, taker)
    until = int(time.time()) + days * SECONDS_PER_DAY
    signed = sign_permit(
        key,
        HandOverPermit(
            wanted,
            _octets("operator", operator, 20),
            PermitKind.STANDBY if standby else PermitKind.HAND_OVER,
            giver,
            taker,
            _octets("platform", platform, 32),
            until,
        ),
        book.referee_domain,
    )
    agreed = PeerPolicy.over(wanted, data, book.trust_roots, until)
    table: dict[str, str | int] = {
        "policy": str(policy),
        "policy_until": until,
        "policy_signature": sign_peer_policy(key, agreed, book.referee_domain).hex(),
        "operator": signed.permit.operator.hex(),
        "from_measurement": giver.hex(),
        "to_measurement": taker.hex(),
        "to_platform": signed.permit.to_platform.hex(),
        "permit_until": until,
        "permit_signature": signed.signature.hex(),
    }
    if as_json:
        click.echo(json.dumps({"kind": signed.permit.kind.name.lower(), "channel": wanted.hex(), **table}))
        return
    click.echo(f"# below the [[channel]] of {wanted.hex()}")
    click.echo("[channel.standby]" if standby else "[channel.hand_over]")
    for name, value in table.items():
        click.echo(f"{name} = {toml_value(value)}")
    if standby:
        click.echo('# add on the primary: host = "192.0.2.1:8551"; on the standby: listen = "127.0.0.1:8551"')
    else:
        click.echo('# add on the host that takes: giver = "192.0.2.1:8550"')


def _octets(option: str, text: str, length: int) -> bytes:
    digits = text.removeprefix("0x").lower()
    if len(digits) != 2 * length or any(digit not in "0123456789abcdef" for digit in digits):
        raise SettingInvalid(f"{2 * length} hex digits are wanted", place=f"--{option}", actual=text[:80])
    return bytes.fromhex(digits)


def _require_named(policy: AppraisalPolicy, *measurements: bytes) -> None:
    if any(enclave.mr_signer is not None for enclave in policy.enclaves):
        return  # by whom it was signed is not in a measurement
    named = {enclave.mr_enclave for enclave in policy.enclaves}
    missing = [measurement for measurement in measurements if measurement not in named]
    if missing:
        raise PolicyTooNarrow(
            "the policy does not name a measurement of the permit, so the enclaves would refuse each other",
            hint="name both in the policy, for as long as they meet",
            missing=missing,
        )
