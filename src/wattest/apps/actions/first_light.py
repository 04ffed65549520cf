"""``wattest first-light``: the smallest whole, from a text to a contract's yes."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from wattest.apps.interrupts import SteadyStack
from wattest.apps.terminal import Progress
from wattest.errors import InputError, VerificationError

MAX_TEXT_BYTES = 65_536


class TextTooLong(InputError):
    """A text over the limit."""


class TextUnreadable(InputError):
    """A text that is not UTF-8."""


class FirstLightRefused(VerificationError):
    """The contract did not take the enclave's signature, or took a changed text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What first light found; bytes fields 32, 65 and 20 long, gas of the accepted transaction."""

    digest: bytes
    signature: bytes
    enclave: bytes
    accepted: bool
    tampered_accepted: bool
    gas: int

    def as_dict(self) -> dict[str, object]:
        """The object that ``--json`` prints."""
        return {
            "digest": self.digest.hex(),
            "signature": self.signature.hex(),
            "enclave": "0x" + self.enclave.hex(),
            "accepted": self.accepted,
            "tampered_accepted": self.tampered_accepted,
            "gas": self.gas,
        }


def first_light(text: str, as_json: bool) -> None:
    """What ``wattest first-light`` does."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise TextUnreadable("the text is not UTF-8", hint="give it in UTF-8, or hash it first") from error
    if len(data) > MAX_TEXT_BYTES:
        raise TextTooLong("the text is too long", expected=MAX_TEXT_BYTES, actual=len(data), hint="hash it first")
    with SteadyStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wattest-first-light-"))
        outcome = shine(Path(folder), text, stack.enter_context(Progress()), stack)
    if as_json:
        click.echo(json.dumps(outcome.as_dict()))
    else:
        _print(outcome, text)
    if not outcome.accepted or outcome.tampered_accepted:
        raise FirstLightRefused(
            "the contract's answers are not yes and no", accepted=outcome.accepted, tampered=outcome.tampered_accepted
        )


def shine(folder: Path, text: str, progress: Progress, stack: ExitStack) -> Outcome:
    """Run first light in ``folder``, which keeps platform, enclave state and chain; ``stack`` stops what it starts."""
    from wattest.apps.embedded import CHALLENGE_TERMS, OPEN_PARAMETERS, Account, EmbeddedDeployment
    from wattest.apps.measurement_policy import measurement_policy
    from wattest.crypto.hashing import keccak256
    from wattest.enclave.host.process import EnclaveProcess
    from wattest.enclave.simulator.platform import SimulatedPlatform
    from wattest.messages.channel import ChannelIdentity, ChannelKind

    now = int(time.time()) - 3_600  # a chain's blocks must not run ahead of the wall clock
    progress.say("starting a local chain")
    deployment = stack.enter_context(EmbeddedDeployment(folder / "chain", now))
    progress.say("measuring and starting the enclave")
    platform = SimulatedPlatform.create(folder / "platform", now)
    deployment.trust_platform(platform)
    operator = Account.create()
    deployment.fund(operator)
    channel = ChannelIdentity(deployment.manager.address, ChannelKind.OPEN, bytes(32))
    contracts = deployment.contracts
    contracts.referee.create_standard_channel(
        deployment.manager.signer, channel.kind, channel.salt, OPEN_PARAMETERS, CHALLENGE_TERMS
    )
    enclave = stack.enter_context(EnclaveProcess(platform, folder / "enclave")).client
    description = enclave.describe()
    progress.say("appraising its evidence and registering its key")
    deployment.register_enclave(
        enclave,
        platform,
        channel,
        operator,
        description.vee_workload,
        measurement_policy(description.measurement),
    )
    progress.say("hashing and signing inside")
    light = enclave.first_light(text, channel.id)
    progress.say("asking the contract")
    ask, place = contracts.first_light.verify, (operator.signer, contracts.referee.address, channel.id)
    accepted, receipt = ask(*place, light.digest, light.signature)
    changed = bytearray(text.encode() or b"\x00")
    changed[0] ^= 1
    tampered, _ = ask(*place, keccak256(bytes(changed)), light.signature)
    return Outcome(light.digest, light.signature, light.address, accepted, tampered, receipt.gas_used)


def _print(outcome: Outcome, text: str) -> None:
    yes, no = ("yes", "no")
    rows = [
        ("text", repr(text) if len(text) <= 60 else repr(text[:57] + "...")),
        ("digest", outcome.digest.hex()),
        ("enclave key", "0x" + outcome.enclave.hex()),
        ("signature", outcome.signature.hex()),
        ("contract", f"{yes if outcome.accepted else no} ({outcome.gas:,} gas)"),
        ("one bit changed", yes if outcome.tampered_accepted else no),
    ]
    for label, value in rows:
        click.echo(f"{label:>16}  {value}")
