"""Signed transactions against eth-account, byte for byte."""

from __future__ import annotations

from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from wattest.chain.local_signer import LocalSigner
from wattest.chain.signed_transaction import UnsignedTransaction, sign_transaction

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WEI = st.integers(0, 2**256 - 1) | st.integers(0, 300)
SMALL = st.integers(0, 2**64 - 1) | st.integers(0, 300)


@given(
    key=st.integers(1, ORDER - 1), chain=st.integers(1, 2**63) | st.integers(1, 300), nonce=SMALL,
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=80) | st.integers(0, 70_000).map(bytes),
    value=WEI, gas=SMALL, fee=WEI, priority=WEI,
)  # fmt: skip
def test_a_transaction_is_what_eth_account_signs(
    key: int, chain: int, nonce: int, to: bytes | None, data: bytes, value: int, gas: int, fee: int, priority: int
) -> None:
    secret = key.to_bytes(32, "big")
    signed = sign_transaction(
        LocalSigner(secret), UnsignedTransaction(chain, nonce, to, data, value, gas, fee, priority)
    )
    expected = Account.from_key(secret).sign_transaction(
        {
            "type": 2, "chainId": chain, "nonce": nonce, "to": to or b"", "data": data, "value": value, "gas": gas,
            "maxFeePerGas": fee, "maxPriorityFeePerGas": priority,
        }
    )  # fmt: skip
    assert signed.raw == bytes(expected.raw_transaction)
    assert signed.hash == bytes(expected.hash)
    assert Account.recover_transaction(signed.raw) == Account.from_key(secret).address
