"""``wattest manager create-channel``: a channel on chain by its name, once, and in the address book.

Decided here: the parameters that a person chooses, and what is said of a channel that is there. Not decided here: the
defaults (``apps.embedded``), what a parameter may be (the contract). Invariant: asked for twice, nothing is sent twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from wattest.apps.address_book import list_channel
from wattest.apps.amounts import read_ether, show_ether
from wattest.apps.embedded import CHALLENGE_TERMS, OPEN_PARAMETERS, PARAMETERS
from wattest.apps.key_use import connect_contracts_of, read_address_book, require_money, use_key
from wattest.chain.referee_once import RefereeOnce
from wattest.errors import ProtocolError
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.channel_name import channel_salt
from wattest.twin.challenge import ChallengeTerms
from wattest.twin.gwei import WEI_PER_GWEI
from wattest.twin.parameters import PARAMETER_FIELDS, ChannelParameters


class ChannelDiffers(ProtocolError):
    """The channel exists, with other parameters than those asked for."""


def create_channel(
    name: str, *, kind: str, stake: str, address_book: Path, rpc: str, key_file: Path, as_json: bool
) -> None:
    """What ``wattest manager create-channel`` does."""
    book = read_address_book(address_book)
    stake_wei = read_ether(stake, "--stake")
    of_kind = ChannelKind[kind.upper()]
    wanted = _parameters(of_kind, stake_wei)
    terms = _terms(wanted)
    with use_key(key_file, book.genesis_hash) as key:
        identity = ChannelIdentity(key.signer.address, of_kind, channel_salt(name))
        contracts = connect_contracts_of(book, rpc, key.journal)
        referee = contracts.referee
        if is_new := not any(referee.manager_of(identity.id)):
            require_money(contracts.client, key.signer.address)
            RefereeOnce(referee, key.signer, key.done).create_channel(identity, wanted, terms)
        else:
            version = referee.channel_head(identity.id).parameters_version
            held = referee.parameters_of(identity.id, version)
            differing = [one for one in PARAMETER_FIELDS if getattr(held, one) != getattr(wanted, one)]
            if referee.challenges.terms_of(identity.id, version) != terms and not differing:
                raise ChannelDiffers(
                    f"the channel {name} exists already, with other terms of challenges",
                    channel=identity.id,
                    expected=asdict(terms),
                    actual=asdict(referee.challenges.terms_of(identity.id, version)),
                    hint="name another channel, or go on with what it has",
                )
            if differing:
                raise ChannelDiffers(
                    f"the channel {name} exists already, with other parameters",
                    channel=identity.id,
                    expected={one: getattr(wanted, one) for one in differing},
                    actual={one: getattr(held, one) for one in differing},
                    hint="name another channel, or ask for what it has",
                )
    list_channel(address_book, identity)
    if as_json:
        shown = {
            "name": name,
            "channel": identity.id.hex(),
            "kind": kind,
            "manager": "0x" + identity.manager.hex(),
            "created": is_new,
            "stake_wei": stake_wei,
        }
        click.echo(json.dumps(shown))
        return
    done = "created" if is_new else "exists already; nothing was sent"
    click.echo(f"channel {name} {done}: {identity.id.hex()}")
    click.echo(f"a batch in it binds {show_ether(wanted.exposure_wei)} ether of an operator's deposit", err=True)


def _parameters(kind: ChannelKind, stake_wei: int) -> ChannelParameters:
    default = PARAMETERS if kind is ChannelKind.SCHEDULED else OPEN_PARAMETERS
    reward_wei = stake_wei // 5 // WEI_PER_GWEI * WEI_PER_GWEI
    return replace(default, stake_wei=stake_wei, catcher_reward_wei=reward_wei)


def _terms(parameters: ChannelParameters) -> ChallengeTerms:
    """The default terms, with a bond that the catcher's reward still outweighs where the stake is small."""
    bond_wei = min(CHALLENGE_TERMS.base_bond_wei, parameters.catcher_reward_wei)
    return replace(
        CHALLENGE_TERMS,
        base_bond_wei=bond_wei,
        answer_gas_cap_wei=min(CHALLENGE_TERMS.answer_gas_cap_wei, bond_wei),
    )
