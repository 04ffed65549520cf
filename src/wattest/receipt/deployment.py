"""The address book of one deployment: what a verifier takes on trust besides the chain.

Decided here: its fields and its one JSON form (``deployment.json``). Not decided here: that the contracts are at these
addresses (``chain`` looks) and who publishes the file. Invariant: a channel's id follows from its manager, kind and
salt, so the file cannot name a channel whose manager it misstates.
Source: docs/spec/receipt.md, section "Deployment".
"""

from __future__ import annotations

from dataclasses import dataclass

from wattest.crypto.canonical import encode, parse
from wattest.crypto.strict_fields import Field
from wattest.errors import InputError
from wattest.messages.channel import ChannelIdentity, parse_channel_kind
from wattest.messages.eip712 import Domain
from wattest.messages.fields import require_bytes, require_uint
from wattest.receipt.json_fields import JSON_FIELDS, refuse_other_kind, show, told_version
from wattest.versions import version_hint

DEPLOYMENT_VERSION = 3
QUOTES_VERSION = 4
"""Of deployments whose verifier judges quotes by itself. Versions 1 and 2 were of a referee without modules."""
MAX_DEPLOYMENT_BYTES = 2**20
MAX_CHANNELS = 1024
MAX_ROOTS = 8
MAX_ROOT_BYTES = 16_384
MAX_APPRAISERS = 32
MAX_CITED_CHANNELS = 8
"""Of each kind, in a distribution: as the payout contract allows."""
_ADDRESSES = ("referee", "challenges", "fraud_proofs", "registry", "verifier", "payouts", "first_light", "token")
_NAMES = (
    "version", "chain_id", "genesis_hash", "deployed_at_block", *_ADDRESSES,
    "appraisers", "threshold", "trust_roots", "channels", "distributions",
)  # fmt: skip
_QUOTES_NAMES = ("collateral", *(name for name in _NAMES if name not in {"appraisers", "threshold"}))


class DeploymentInvalid(InputError):
    """An address book whose values do not fit together."""


@dataclass(frozen=True, slots=True)
class DistributionEntry:
    """A payout distribution and what it is fixed to: ids and channels 32 bytes, the statements' operator 20.

    Its statements cite batches of the metering channels (1 to 8) and of the import channels (0 to 8), both ascending.
    """

    id: bytes
    statement_channel: bytes
    statement_operator: bytes
    metering_channels: tuple[bytes, ...]
    import_channels: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        require_bytes("id", self.id, 32)
        require_bytes("statement_channel", self.statement_channel, 32)
        require_bytes("statement_operator", self.statement_operator, 20)
        for name, least in (("metering_channels", 1), ("import_channels", 0)):
            channels = getattr(self, name)
            for channel in channels:
                require_bytes(name, channel, 32)
            if not least <= len(channels) <= MAX_CITED_CHANNELS or list(channels) != sorted(set(channels)):
                raise DeploymentInvalid(
                    f"{name} are {least} to {MAX_CITED_CHANNELS} channels that ascend strictly",
                    field=name,
                    actual=len(channels),
                )


@dataclass(frozen=True, slots=True)
class Deployment:
    """Chain, contracts, appraisers, trust roots (DER), channels and distributions; addresses 20 bytes.

    Appraisers ascend strictly; ``threshold`` of them sign a verdict. Where ``collateral`` names a collateral
    registry, the verifier judges quotes by itself and there are no appraisers. Raises DeploymentInvalid,
    FieldInvalid.
    """

    chain_id: int
    genesis_hash: bytes
    deployed_at_block: int
    referee: bytes
    challenges: bytes
    fraud_proofs: bytes
    registry: bytes
    verifier: bytes
    payouts: bytes
    first_light: bytes
    token: bytes
    appraisers: tuple[bytes, ...]
    threshold: int
    trust_roots: tuple[bytes, ...]
    channels: tuple[ChannelIdentity, ...] = ()
    distributions: tuple[DistributionEntry, ...] = ()
    collateral: bytes = bytes(20)

    def __post_init__(self) -> None:
        require_uint("chain_id", self.chain_id, 256)
        require_uint("deployed_at_block", self.deployed_at_block, 64)
        require_bytes("genesis_hash", self.genesis_hash, 32)
        for name in (*_ADDRESSES, "collateral"):
            require_bytes(name, getattr(self, name), 20)
        for appraiser in self.appraisers:
            require_bytes("appraiser", appraiser, 20)
        if list(self.appraisers) != sorted(set(self.appraisers)):
            raise DeploymentInvalid("appraisers must ascend strictly", field="appraisers")
        if self.is_judged_by_quote:
            if self.appraisers or self.threshold:
                raise DeploymentInvalid("appraisers have no say where quotes are judged on chain", field="appraisers")
        elif not 0 < self.threshold <= len(self.appraisers) <= MAX_APPRAISERS:
            raise DeploymentInvalid(
                "the threshold is outside the set of appraisers", expected=len(self.appraisers), actual=self.threshold
            )
        if not 0 < len(self.trust_roots) <= MAX_ROOTS:
            raise DeploymentInvalid("1 to 8 trust roots", field="trust_roots", actual=len(self.trust_roots))
        if len({channel.id for channel in self.channels}) != len(self.channels):
            raise DeploymentInvalid("a channel is listed twice", field="channels")
        if len({entry.id for entry in self.distributions}) != len(self.distributions):
            raise DeploymentInvalid("a distribution is listed twice", field="distributions")

    @property
    def is_judged_by_quote(self) -> bool:
        """Whether the verifier contract judges quotes by itself, without appraisers."""
        return self.collateral != bytes(20)

    @property
    def referee_domain(self) -> Domain:
        """Where headers and member lists are signed for."""
        return Domain(self.chain_id, self.referee)

    @property
    def registry_domain(self) -> Domain:
        """Where verdicts are signed for."""
        return Domain(self.chain_id, self.registry)

    def channel(self, channel: bytes) -> ChannelIdentity | None:
        """The listed channel of that id."""
        return next((identity for identity in self.channels if identity.id == channel), None)

    def distribution(self, channel: bytes, operator: bytes, metering_channel: bytes) -> DistributionEntry | None:
        """The distribution that statements of this channel and operator over those batches feed."""
        return next(
            (
                entry
                for entry in self.distributions
                if (entry.statement_channel, entry.statement_operator) == (channel, operator)
                and metering_channel in entry.metering_channels
            ),
            None,
        )

    def to_bytes(self) -> bytes:
        """The canonical JSON text (RFC 8785), without a newline at the end."""
        plain = ("chain_id", "genesis_hash", "deployed_at_block", *_ADDRESSES)
        value: dict[str, object] = {name: show(getattr(self, name)) for name in plain}
        if self.is_judged_by_quote:
            value |= {"version": show(QUOTES_VERSION), "collateral": show(self.collateral)}
        else:
            value |= {"version": show(DEPLOYMENT_VERSION), "threshold": show(self.threshold)}
            value["appraisers"] = [show(appraiser) for appraiser in self.appraisers]
        value["trust_roots"] = [show(root) for root in self.trust_roots]
        value["channels"] = [
            {"manager": show(channel.manager), "kind": show(channel.kind), "salt": show(channel.salt)}
            for channel in self.channels
        ]
        value["distributions"] = [
            {
                "id": show(entry.id),
                "statement_channel": show(entry.statement_channel),
                "statement_operator": show(entry.statement_operator),
                "metering_channels": [show(one) for one in entry.metering_channels],
                "import_channels": [show(one) for one in entry.import_channels],
            }
            for entry in self.distributions
        ]
        return encode(value)


def parse_deployment(data: bytes) -> Deployment:
    """Read ``deployment.json``; at most 1 MiB. One newline at the end is allowed, since people edit it.

    Raises: DeploymentInvalid, AnotherKindOfFile, JsonFieldInvalid, CanonicalJsonInvalid.
    """
    text = data[:-1] if data.endswith(b"\n") else data
    found = parse(text, MAX_DEPLOYMENT_BYTES)
    refuse_other_kind(found, "an address book")
    is_of_quotes = isinstance(found, dict) and "collateral" in found
    expected = QUOTES_VERSION if is_of_quotes else DEPLOYMENT_VERSION
    version = told_version(found)
    if version is not None and version != expected:  # before its fields: another version may have others
        known = version in {DEPLOYMENT_VERSION, QUOTES_VERSION}
        fits = f"version {version} has {'no' if version == DEPLOYMENT_VERSION else 'a'} collateral registry"
        older = (
            "its referee has no modules, and this program cannot speak to it: deploy anew (wattest deploy), or keep the"
            " older wattest for it"
        )
        raise DeploymentInvalid(
            "unknown deployment version",
            expected=expected,
            actual=version,
            hint=fits if known else version_hint(QUOTES_VERSION, version, older=older),
        )
    value = JSON_FIELDS.fields(found, *(_QUOTES_NAMES if is_of_quotes else _NAMES))
    value["version"].decimal(32)
    if is_of_quotes and not any(_address(value["collateral"])):
        raise DeploymentInvalid("the collateral registry's address is zero", field="collateral")
    return Deployment(
        chain_id=value["chain_id"].decimal(256),
        genesis_hash=value["genesis_hash"].hex(32),
        deployed_at_block=value["deployed_at_block"].decimal(64),
        appraisers=value.get("appraisers", []).each(_address, MAX_APPRAISERS),
        threshold=value.get("threshold", "0").decimal(32),
        collateral=_address(value["collateral"]) if is_of_quotes else bytes(20),
        trust_roots=value["trust_roots"].each(lambda root: root.hex_up_to(MAX_ROOT_BYTES), MAX_ROOTS),
        channels=value["channels"].each(_channel, MAX_CHANNELS),
        distributions=value["distributions"].each(_distribution, MAX_CHANNELS),
        **{name: _address(value[name]) for name in _ADDRESSES},
    )


def _address(field: Field) -> bytes:
    return field.hex(20)


def _channel(field: Field) -> ChannelIdentity:
    named = field.fields("manager", "kind", "salt")
    return ChannelIdentity(
        _address(named["manager"]), parse_channel_kind(named["kind"].decimal(8)), named["salt"].hex(32)
    )


def _distribution(field: Field) -> DistributionEntry:
    named = field.fields("id", "statement_channel", "statement_operator", "metering_channels", "import_channels")
    cited = {
        name: named[name].each(lambda one: one.hex(32), MAX_CITED_CHANNELS)
        for name in ("metering_channels", "import_channels")
    }
    return DistributionEntry(
        named["id"].hex(32), named["statement_channel"].hex(32), _address(named["statement_operator"]), **cited
    )
