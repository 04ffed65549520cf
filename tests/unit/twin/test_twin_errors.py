"""The errors of the twin are the custom errors of the contracts, by name and parameters."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import wattest.merkle as merkle
from wattest.errors import ProtocolError, VerificationError
from wattest.twin.dcap_errors import DCAP_REVERTS
from wattest.twin.errors import REVERTS, BondTooSmall, UnknownBatch

SOURCES = Path(__file__).parents[3] / "contracts/src"
ERROR = re.compile(r"^\s*error\s+(\w+)\(([^)]*)\)\s*;", re.MULTILINE)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


# What these refuse is evidence and collateral: named in dcap_errors, judged off chain by dcap-qvl and not by the twin.
OF_DCAP = {"dcap", "ICollateralRegistry.sol", "IDcapVerifier.sol"}


def declared(*, of_dcap: bool = False) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for source in SOURCES.rglob("*.sol"):
        parts = set(source.relative_to(SOURCES).parts)
        # dev is never deployed
        if "dev" in parts or bool(OF_DCAP & parts) != of_dcap:
            continue
        for name, parameters in ERROR.findall(source.read_text()):
            names = tuple(snake(part.split()[-1].rstrip("_")) for part in parameters.split(",") if part.strip())
            assert found.setdefault(name, names) == names, f"{name} is declared twice, differently"
    return found


def test_lists_are_the_same() -> None:
    contracts = declared()
    assert len(contracts) > 80
    of_merkle = {name for name in contracts if isinstance(getattr(merkle, name, None), type)}
    assert set(contracts) - of_merkle == set(REVERTS)


def test_merkle_errors_are_verification_or_input_errors() -> None:
    assert issubclass(merkle.RootMismatch, VerificationError)
    assert "RootMismatch" in declared()


def test_parameters_are_the_same() -> None:
    contracts = declared()
    assert {name: cls.arguments for name, cls in REVERTS.items()} == {name: contracts[name] for name in REVERTS}


def test_what_is_refused_of_quotes_and_collateral_has_its_names() -> None:
    contracts = declared(of_dcap=True)
    assert len(contracts) > 90
    assert not set(contracts) & set(declared())
    assert {name: cls.arguments for name, cls in DCAP_REVERTS.items()} == contracts
    assert all(cls.__doc__ for cls in DCAP_REVERTS.values())


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
