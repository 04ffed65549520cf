"""``wattest operator`` and its enclave keys: ``rotate-key``, ``revoke-key``, ``upgrade``, ``status``.

Decided here: what is asked for, what is printed. Not decided here: the steps (``keys.key_keeper``). All but
``revoke-key`` only read or leave an order for the running operator; ``revoke-key`` speaks to the chain alone, so that
it works with a dead enclave, a lost disk or an operator that hangs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from wattest.appraiser.appraiser_service import RemoteAppraiser
from wattest.apps.actions.bounded_file import read_bounded
from wattest.apps.actions.collateral_words import printable
from wattest.apps.actions.order_check import obstacles, require_doable, say_undecided
from wattest.apps.operator_file import OperatorFile
from wattest.apps.production_files import open_operator_file
from wattest.apps.settings_agreement import owner_of
from wattest.apps.settings_reader import SettingInvalid
from wattest.apps.terminal import Progress
from wattest.attestation.appraisal_policy import AppraisalPolicy, parse_policy
from wattest.chain.client import ChainClient, MemoryJournal, TransactionJournal, TransactionPending
from wattest.chain.dcap_verifier import DcapVerifier
from wattest.chain.deploy import Contracts
from wattest.collateral.chain_collateral import StoredLife, registered_life
from wattest.collateral.collateral_outlook import CollateralOutlook, CollateralWarning
from wattest.crypto.signer import Signer
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.errors import ConfigError, InputError, ProtocolError, TransportError, VerificationError
from wattest.keys.key_life import ExpiryWarning
from wattest.keys.key_standing import sealing_workload
from wattest.keys.orders import OrderBox, nobody_judges
from wattest.keys.quote_registrar import QuoteRegistrar
from wattest.keys.registrar import QuorumRegistrar, Registrar
from wattest.keys.standby import Replica, ReplicaFile, ReplicaLag
from wattest.messages.channel_name import is_named
from wattest.operator.operator_status import ChannelStatus, channel_status
from wattest.store.batch_state import StoredState
from wattest.store.database import DatabaseInUse
from wattest.store.duty import Duty
from wattest.store.enclave_key import Cause, KeyState, PreparedRegistration
from wattest.store.operator_port import OperatorView

MAX_POLICY_BYTES = 256 * 1024
HEAD_POLL_S = 0.5
REVOKE_ATTEMPTS = 5
_ENDED = frozenset({StoredState.COMMITTED, StoredState.FINAL, StoredState.SLASHED})

Warned = ExpiryWarning | CollateralWarning | ReplicaLag


class UpgradeRefused(VerificationError):
    """The program that is installed may not take over: the policy does not want its measurement."""


class NothingToUpgrade(ConfigError):
    """The program that is installed has the measurement that is registered."""


class NoActiveKey(ProtocolError):
    """The registry has no active enclave key of this operator in the channel."""


class KeyAddressInvalid(InputError):
    """A text that is no address of an enclave key."""


def order_box(settings: OperatorFile) -> OrderBox:
    """Where a running operator finds what is asked of it."""
    return OrderBox(settings.data_dir / "orders")


def registrar_of(settings: OperatorFile, contracts: Contracts, signer: Signer) -> Registrar | None:
    """Who judges evidence: the contract where the deployment's can, else the appraisers that the configuration names.

    None when it names none.
    """
    if contracts.quotes is not None:
        return QuoteRegistrar(contracts.quotes, publisher=signer if settings.brings_collateral else None)
    if not settings.appraisers:
        return None
    threshold = settings.deployment.threshold
    if len(settings.appraisers) < threshold:
        raise SettingInvalid(
            "fewer appraisers than the registry wants",
            place="registration.appraisers",
            expected=threshold,
            actual=len(settings.appraisers),
        )
    return QuorumRegistrar([RemoteAppraiser(url) for url in settings.appraisers], threshold, contracts.registry.domain)


def outlook_of(settings: OperatorFile, contracts: Contracts, endorsements: Callable[[int], bytes]) -> CollateralOutlook:
    """What looks ahead for collateral: this host's, and the contract's where somebody else brings it there."""
    quotes = contracts.quotes
    if quotes is None or settings.brings_collateral:
        return CollateralOutlook(endorsements)
    return CollateralOutlook(endorsements, lambda registered: chain_life(quotes, settings, registered))


def chain_life(quotes: DcapVerifier, settings: OperatorFile, registered: PreparedRegistration) -> StoredLife:
    """What the contract has for the platform of a registration."""
    referee = settings.deployment.referee
    return registered_life(quotes, referee, registered.channel, registered.evidence, registered.endorsements)


def say_collateral(text: str) -> None:
    """What became of renewing collateral, as one JSON line on standard error."""
    click.echo(json.dumps({"collateral": printable(text)}), err=True)


def replica_folder(settings: OperatorFile) -> Path:
    """Where a host notes how far a standby's replica is."""
    return settings.data_dir / "standby"


def warning_line(warning: Warned) -> str:
    """A warning as one JSON line."""
    if isinstance(warning, ReplicaLag):
        lag = {"warning": "standby is behind", "channel": warning.channel.hex(), "behind": warning.behind}
        return json.dumps(lag | {"because": warning.because}, sort_keys=True)
    if isinstance(warning, CollateralWarning):
        said = {"warning": "collateral", "channel": warning.channel.hex(), "code": warning.code}
        return json.dumps(said | {"because": warning.because, "hint": warning.hint}, sort_keys=True)
    return json.dumps(
        {
            "warning": "registration expires",
            "urgency": warning.urgency.value,
            "channel": warning.channel.hex(),
            "key": "0x" + warning.enclave_key.hex(),
            "expires_at": warning.expires_at,
            "days_left": round(warning.left_s / 86_400, 2),
            "because": warning.because,
        },
        sort_keys=True,
    )


def rotate_key(config_path: Path, *, channel: str | None, lost: bool) -> None:
    """What ``wattest operator rotate-key`` does."""
    settings, _ = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    cause = Cause.LOST if lost else Cause.PLANNED
    if not settings.deployment.is_judged_by_quote and not settings.appraisers:
        raise nobody_judges(duty.channel.id, cause)
    try:
        contracts = connect_contracts(settings, MemoryJournal())
        require_doable(settings, contracts, duty, settings.signer.open().address, cause)
    except TransportError as error:
        say_undecided(error)
    path = order_box(settings).leave(duty.channel.id, cause)
    click.echo(f"ordered: {path}", err=True)


def revoke_key(config_path: Path, *, channel: str | None, key: str | None, as_json: bool) -> None:
    """What ``wattest operator revoke-key`` does."""
    settings, _ = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    signer = settings.signer.open()
    with ExitStack() as stack:
        journal: TransactionJournal = MemoryJournal()
        try:
            if settings.data.has_tables:
                store = settings.data.write()
                stack.callback(store.close)
                journal = store.journal
                store.belonging.require(owner_of(settings.deployment, signer.address))
        except DatabaseInUse:
            click.echo("the operator runs: it will notice, and send what this overtakes again", err=True)
        contracts = connect_contracts(settings, journal)
        address = _address(key) if key is not None else _active_key(contracts, duty, signer.address)
        binding = contracts.referee.address, duty.channel.id, signer.address
        for attempt in range(1, REVOKE_ATTEMPTS + 1):
            try:
                receipt = contracts.registry.revoke(signer, binding, address)
                break
            except TransactionPending:
                if attempt == REVOKE_ATTEMPTS:
                    raise
                time.sleep(attempt)  # the running operator has a transaction out with this nonce
    if as_json:
        shown = {"key": "0x" + address.hex(), "transaction": receipt.transaction_hash.hex(), "gas": receipt.gas_used}
        click.echo(json.dumps(shown))
        return
    click.echo(f"revoked: 0x{address.hex()}")


def upgrade(config_path: Path, *, channel: str | None, policy_path: Path | None, dry_run: bool, as_json: bool) -> None:
    """What ``wattest operator upgrade`` does."""
    settings, _ = open_operator_file(config_path)
    duty = duty_of(settings, channel)
    with Progress() as progress:
        progress.say("asking the chain")
        contracts = connect_contracts(settings, MemoryJournal())
        operator = settings.signer.open().address
        progress.say("measuring the installed program")
        new = measure(LaunchSettings()).digest
        progress.say("reading what was sealed")
        store = settings.data.view()
        try:
            store.belonging.require(owner_of(settings.deployment, operator))
            known = store.keys.key_in(duty.channel.id, KeyState.ACTIVE)
            last = store.last_batch(duty.channel.id)
        finally:
            store.close()
        progress.say("asking which program is registered")
        before = known.address if known is not None else _active_key(contracts, duty, operator)
        binding = contracts.referee.address, duty.channel.id, operator
        old = contracts.registry.registered_verdicts(binding, before)[-1].verdict.measurement
    wanted, old_wanted = None, None
    if policy_path is not None:
        policy = _policy(policy_path)
        wanted, old_wanted = _wants(policy, new), _wants(policy, old)
    flight = [] if last is None or last.state in _ENDED else [(last.sequence, last.state.value)]
    steps = _upgrade_steps(flight, judge=_judge(settings, contracts))
    if as_json:
        plan = {
            "channel": duty.channel.id.hex(), "old_measurement": old.hex(), "new_measurement": new.hex(),
            "policy_wants_new": wanted, "policy_wants_old": old_wanted, "steps": steps,
            "in_flight": [{"sequence": sequence, "state": state} for sequence, state in flight],
        }  # fmt: skip
        click.echo(json.dumps(plan))
    else:
        click.echo(f"from {old.hex()}\nto   {new.hex()}")
        if wanted is not None:
            click.echo(f"the policy {'wants' if wanted else 'does not want'} the new one")
        if old_wanted:
            click.echo("the policy wants the old one, too: take it out once every operator has moved")
        for number, step in enumerate(steps, 1):
            click.echo(f"{number}. {step}")
    if new == old:
        raise NothingToUpgrade("the installed program is the registered one", actual=new, hint="install the new one")
    if wanted is False:
        raise UpgradeRefused(
            "the policy does not want the installed program", actual=new, hint="let the appraisers add it first"
        )
    if not dry_run:
        with Progress() as progress:
            progress.say("comparing configuration and chain")
            require_doable(settings, contracts, duty, operator, Cause.UPGRADE)
        order_box(settings).leave(duty.channel.id, Cause.UPGRADE)


def status(config_path: Path, *, until_head: int | None, as_json: bool) -> None:
    """What ``wattest operator status`` does."""
    settings, standing = open_operator_file(config_path)
    contracts = connect_contracts(settings, MemoryJournal())
    operator = settings.signer.open().address
    if until_head is not None:
        _wait_for_head(settings, contracts, operator, until_head)
    store = settings.data.view()
    try:
        store.belonging.require(owner_of(settings.deployment, operator))
        now = contracts.client.now()
        ways = obstacles(settings, contracts, operator, store)
        found = [
            channel_status(
                store, order_box(settings), contracts.referee, contracts.registry, operator, duty, settings.keys, now,
                has_registrar=_judge(settings, contracts) is not None,
                standby=_replica(settings, duty),
                obstacles=[*_collateral_trouble(settings, contracts, store, duty, now), *ways[duty.channel.id]],
            )
            for duty in settings.duties
        ]  # fmt: skip
    finally:
        store.close()
    if as_json:
        channels = [_ready(asdict(one)) for one in found]
        shown: dict[str, object] = {"operator": "0x" + operator.hex(), "now": now, "channels": channels}
        click.echo(json.dumps(shown | standing.as_dict()))
        return
    click.echo(f"operator 0x{operator.hex()}, chain time {_when(now)}")
    click.echo("in production" if standing.production else "not in production")
    for weakness in standing.unsafe:
        click.echo(f"  {weakness.place}: {weakness.what}")
    for one in found:
        _show(one, now)


def _wait_for_head(settings: OperatorFile, contracts: Contracts, operator: bytes, wanted: int) -> None:
    """Wait until every channel that is served has so many committed batches."""
    channels = [duty.channel.id for duty in settings.duties]
    click.echo(f"waiting for batch {wanted}; Ctrl-C ends it", err=True)
    while any(own.sequence < wanted for _, own in contracts.referee.heads_of(channels, operator).values()):
        time.sleep(HEAD_POLL_S)


def _show(one: ChannelStatus, now: int) -> None:
    click.echo(f"channel {one.channel.hex()}: {one.operator_state}, head {one.head_sequence}")
    if one.key is not None:
        days = (one.key.expires_at - now) / 86_400
        click.echo(f"  key 0x{one.key.address.hex()} ({one.key.cause}, slot {one.key.slot})")
        click.echo(f"  measurement {one.key.measurement.hex() if one.key.measurement else 'unknown'}")
        click.echo(f"  registered until {_when(one.key.expires_at)}, {days:.1f} days left")
        click.echo(f"  renewed from {_when(one.key.renews_from)} on")
    if one.standby is not None:
        click.echo(f"  standby: replica of batch {one.standby.sequence}, {one.behind} behind")
    if one.ordered is not None:
        click.echo(f"  a new key is ordered: {one.ordered}")
    for batch in one.in_flight:
        click.echo(f"  batch {batch.sequence} is {batch.state}, to be committed until {_when(batch.deadline)}")
    click.echo(f"  next period ends {_when(one.next_period_end)}, to be committed until {_when(one.next_deadline)}")
    for left in one.left_out:
        click.echo(f"  left out: period from {_when(left.period_start)} ({left.cause.value})")
    for warning in one.warnings:
        click.echo(f"  ! {warning}")


def _judge(settings: OperatorFile, contracts: Contracts) -> str | None:
    """Who judges this operator's evidence, in words; None when nobody does."""
    if contracts.quotes is not None:
        return "the contract judges its quote"
    return "the appraisers judge its evidence" if settings.appraisers else None


def _replica(settings: OperatorFile, duty: Duty) -> Replica | None:
    """What this host last heard of the channel's replica; None where there is no standby."""
    if duty.channel.id not in settings.standbys:
        return None
    return ReplicaFile(replica_folder(settings), duty.channel.id).read() or Replica(0, 0)


def _collateral_trouble(
    settings: OperatorFile, contracts: Contracts, store: OperatorView, duty: Duty, now: int
) -> list[str]:
    """What a renewal would miss on chain now; nothing where this operator brings its collateral along."""
    registered = store.keys.registered(duty.channel.id)
    if contracts.quotes is None or settings.brings_collateral or registered is None:
        return []
    quotes = contracts.quotes
    outlook = CollateralOutlook(lambda _: b"", lambda known: chain_life(quotes, settings, known))
    return [f"{found.because}: {found.hint}" for found in outlook.look(duty.channel.id, registered, now)]


def _upgrade_steps(flight: list[tuple[int, str]], *, judge: str | None) -> list[str]:
    steps = [
        f"batch {sequence} is {state}: "
        + (
            "the new enclave seals it, if its deadline allows"
            if state in {"collected", "sealing"}
            else "its header is committed first, the old enclave is not needed for that"
        )
        for sequence, state in flight
    ]
    return [
        *steps,
        "settle the days of the old key that are not settled: the new enclave opens only what was handed over to it",
        "a new enclave with a state folder of its own makes a key at the chain's head",
        f"{judge}, and the key is registered: that transaction ends the old key's turn"
        if judge is not None
        else "NOT POSSIBLE YET: name appraisers under [registration]",
        "the next period is sealed under the new key; the old key is revoked",
    ]


def _policy(path: Path) -> AppraisalPolicy:
    return parse_policy(read_bounded(path, MAX_POLICY_BYTES))


def _wants(policy: AppraisalPolicy, measurement: bytes) -> bool:
    return any(reference.mr_enclave == measurement for reference in policy.enclaves)


def connect_contracts(settings: OperatorFile, journal: TransactionJournal) -> Contracts:
    """The chain's contracts as an operator's file names them; raises as ``Contracts.at`` does."""
    deployment = settings.deployment
    client = ChainClient.connect(
        settings.chain.rpc_url or "",
        chain_id=deployment.chain_id,
        genesis_hash=deployment.genesis_hash,
        config=settings.chain,
        journal=journal,
    )
    return Contracts.at(client, deployment)


def _active_key(contracts: Contracts, duty: Duty, operator: bytes) -> bytes:
    key, _ = contracts.registry.active_key(contracts.referee.address, duty.channel.id, operator, sealing_workload())
    if not any(key):
        raise NoActiveKey(
            "the registry has no active key for this operator and workload",
            channel=duty.channel.id,
            hint="name one with --key, or run the operator, which registers one",
        )
    return key


def duty_of(settings: OperatorFile, channel: str | None) -> Duty:
    """The duty that a command means; raises ``SettingInvalid``."""
    found = [duty for duty in settings.duties if channel is None or is_named(duty.channel, channel)]
    if len(found) != 1:
        raise SettingInvalid(
            "which channel is meant" if channel is None else "the operator does not serve this channel",
            place="channel",
            expected=[duty.channel.id.hex() for duty in settings.duties],
            actual=channel,
            hint="name one with --channel",
        )
    return found[0]


def _address(text: str) -> bytes:
    digits = text.removeprefix("0x").lower()
    if len(digits) != 40 or any(digit not in "0123456789abcdef" for digit in digits):
        raise KeyAddressInvalid("not an address", actual=text, hint="0x and 40 hex digits")
    return bytes.fromhex(digits)


def _when(timestamp_s: int) -> str:
    return datetime.fromtimestamp(timestamp_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _ready(value: object) -> object:
    if isinstance(value, dict):
        return {name: _ready(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_ready(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.value if isinstance(value, (Cause, KeyState)) else value
