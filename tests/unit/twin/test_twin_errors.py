"""The errors of the twin are the custom errors of the contracts, by name and parameters."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import wattest.merkle as merkle
from wattest.errors import ProtocolError, VerificationError
from wattest.twin.dcap_errors import DCAP_REVERTS
from wattest.twin.errors import REVERTS, BondTooSmall, UnknownBatch

ROOT = Path(__file__).parents[3]
ARTIFACTS = ROOT / "src/wattest/chain/artifacts"
OF_OPENZEPPELIN = {
    "ERC20InsufficientAllowance",
    "ERC20InsufficientBalance",
    "ERC20InvalidApprover",
    "ERC20InvalidReceiver",
    "ERC20InvalidSender",
    "ERC20InvalidSpender",
    "InvalidShortString",
    "ReentrancyGuardReentrantCall",
    "SafeCastOverflowedUintDowncast",
    "SafeERC20FailedOperation",
    "StringTooLong",
}


@cache
def maker() -> ModuleType:
    """The tool that writes the twin's errors."""
    spec = importlib.util.spec_from_file_location("make_contract_errors", ROOT / "tools/make_contract_errors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def in_abi() -> dict[str, tuple[str, ...]]:
    """The custom errors of every shipped contract, by name, with snake-cased parameters."""
    found: dict[str, tuple[str, ...]] = {}
    for path in ARTIFACTS.glob("*.json"):
        for item in json.loads(path.read_text())["abi"]:
            if item["type"] == "error":
                found[item["name"]] = tuple(maker().snake(given["name"].rstrip("_")) for given in item["inputs"])
    return found


def test_the_modules_are_what_the_contracts_give() -> None:
    assert {path: path.read_text("utf-8") for path in maker().modules()} == maker().modules()


def test_a_shipped_contract_refuses_with_nothing_else() -> None:
    known = {name: kind.arguments for name, kind in (REVERTS | DCAP_REVERTS).items()}
    shipped = in_abi()
    assert len(shipped) > 150
    assert not set(REVERTS) & set(DCAP_REVERTS)
    strangers = {name for name in shipped if known.get(name) != shipped[name]}
    assert {name for name in strangers if not hasattr(merkle, name)} == OF_OPENZEPPELIN


def test_a_doc_comment_becomes_words_and_a_hint() -> None:
    text = """
    /// @notice The deposit of `operator` does not
    /// cover it.
    /// @custom:advice deposit more
    error TooLittle(uint256 requiredWei, address operator_);
    """
    (error,) = maker().declared(text)
    assert error == maker().CustomError(
        "TooLittle", "The deposit of ``operator`` does not cover it.", "deposit more", ("required_wei", "operator")
    )
    assert next(iter(maker().class_of(error))) == "class TooLittle(Reverted):"


@pytest.mark.parametrize(
    "text", ["    error Bare();\n", "    /// @notice A.\n    /// @dev Lost.\n    error Lost(uint256 a);\n"]
)
def test_an_error_without_words_or_with_lost_ones_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        list(maker().declared(text))


def test_merkle_errors_are_verification_or_input_errors() -> None:
    assert issubclass(merkle.RootMismatch, VerificationError)
    assert "RootMismatch" in in_abi()


def test_an_error_carries_its_fields() -> None:
    error = BondTooSmall(10, 9)
    assert isinstance(error, ProtocolError)
    assert error.code == "BondTooSmall"
    assert error.exit_code == 5
    assert error.fields == {"required_wei": 10, "actual_wei": 9}
    assert error.hint
    assert pickle.loads(pickle.dumps(error)).fields == error.fields


def test_every_error_says_what_is_wrong() -> None:
    for name, cls in REVERTS.items():
        error = cls(*range(len(cls.arguments)))
        assert len(error.message) > 10, name
    assert UnknownBatch(b"\x01", b"\x02", 3).as_dict()["fields"] == {"channel": "01", "operator": "02", "sequence": 3}
