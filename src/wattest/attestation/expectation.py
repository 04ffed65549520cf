"""What evidence for an enclave key must bind, and what else its report data may turn out to be.

Decided here: how a mismatch is named. Report data is a hash, so another binding cannot be read from it, only recognised
among those that the caller names: nonces it gave out before or has used up, other chains, referees, channels and
operators it knows. Not decided here: which nonces are fresh (the registry: a recent block), and what is accepted
(``appraisal``). docs/spec/header.md
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from wattest.attestation.appraisal import Expectation
from wattest.messages.report_data import KeyBinding, report_data

MAX_ALTERNATIVES = 4_096


def expect_key(
    binding: KeyBinding,
    enclave_key: bytes,
    *,
    used_nonces: Collection[bytes] = (),
    stale_nonces: Collection[bytes] = (),
    chain_ids: Collection[int] = (),
    referees: Collection[bytes] = (),
    channels: Collection[bytes] = (),
    operators: Collection[bytes] = (),
    keys: Collection[bytes] = (),
) -> Expectation:
    """Expect the report data of ``binding`` and a 20-byte key, and recognise that of others.

    Nonces and channels have 32 bytes, referees, operators and keys 20. What is named first here wins.

    Raises:
        ValueError: more than 4,096 others.
        FieldInvalid: a part of a wrong length.
    """
    others = (
        ("nonce_reused", [replace(binding, nonce=each) for each in used_nonces]),
        ("nonce_stale", [replace(binding, nonce=each) for each in stale_nonces]),
        ("other_chain", [replace(binding, chain_id=each) for each in chain_ids]),
        ("other_referee", [replace(binding, referee=each) for each in referees]),
        ("other_channel", [replace(binding, channel=each) for each in channels]),
        ("other_operator", [replace(binding, operator=each) for each in operators]),
    )
    count = len(keys) + sum(len(bindings) for _, bindings in others)
    if count > MAX_ALTERNATIVES:
        raise ValueError(f"at most {MAX_ALTERNATIVES} other bindings are recognised, not {count}")
    known = {report_data(binding, each): "other_key" for each in keys}
    for code, bindings in reversed(others):
        known |= {report_data(each, enclave_key): code for each in bindings}
    return Expectation(report_data=report_data(binding, enclave_key), known_report_data=known)
