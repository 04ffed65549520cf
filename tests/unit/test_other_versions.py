"""A file of another version is named as such, before anything is said about its fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from wattest.chain.chain_folder import ChainMetadata, NotAChainFolder
from wattest.enclave.simulator.platform import PlatformFileMalformed, SimulatedPlatform
from wattest.errors import InputError
from wattest.metering.device_block import MalformedDeviceBlock, parse_device_block
from wattest.receipt.deployment import DeploymentInvalid, parse_deployment
from wattest.receipt.receipt import ReceiptInvalid, parse_receipt
from wattest.versions import version_hint


@pytest.mark.parametrize(
    ("parse", "error", "known"), [(parse_receipt, ReceiptInvalid, 1), (parse_deployment, DeploymentInvalid, 3)]
)
@pytest.mark.parametrize(("said", "word"), [("0", "older"), ("7", "newer")])
def test_json_of_another_version(
    parse: Callable[[bytes], object], error: type[InputError], known: int, said: str, word: str
) -> None:
    with pytest.raises(error, match="version") as caught:
        parse(b'{"fields":"of another time","version":"%s"}' % said.encode())
    assert (caught.value.fields["expected"], caught.value.fields["actual"]) == (known, int(said))
    assert word in (caught.value.hint or "")
    for text in (
        b'{"fields":"of another time"}',
        b'{"version":"01"}',
        b'{"version":"%d"}' % known,
    ):  # its fields are judged
        with pytest.raises(InputError) as judged:
            parse(text)
        assert not isinstance(judged.value, error)


def test_folders_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "chain.json").write_text('{"format": "wattest/embedded-chain/9"}')
    with pytest.raises(NotAChainFolder) as chain:
        ChainMetadata.read(tmp_path)
    assert chain.value.fields["actual"] == "wattest/embedded-chain/9"
    SimulatedPlatform.create(tmp_path / "platform", 1_700_000_000)
    path = tmp_path / "platform" / "platform.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "wattest-simulated-platform/9"}))
    with pytest.raises(PlatformFileMalformed) as platform:
        SimulatedPlatform.open(tmp_path / "platform")
    assert platform.value.fields["actual"] == "wattest-simulated-platform/9"
    assert "seed" not in str(platform.value.as_dict())


def test_a_block_of_another_version() -> None:
    with pytest.raises(MalformedDeviceBlock, match="unknown version") as caught:
        parse_device_block(b"\x03" + bytes(300))
    assert (caught.value.fields["expected"], caught.value.fields["actual"]) == ([1, 2], 3)
    with pytest.raises(MalformedDeviceBlock, match="version 2"):
        parse_device_block(b"\x02" + bytes(159))
    with pytest.raises(MalformedDeviceBlock) as short:
        parse_device_block(b"\x01")
    assert "version" not in short.value.message or "version 1" in short.value.message


def test_what_to_do() -> None:
    assert "install that one" in version_hint(1, 2)
    assert "version 1, this one reads 2): start it once" in version_hint(2, 1, older="start it once")


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_address_book_of_a_referee_without_modules(version: str) -> None:
    with pytest.raises(DeploymentInvalid, match="version") as caught:
        parse_deployment(b'{"fields":"of another time","version":"%s"}' % version.encode())
    assert "deploy anew" in (caught.value.hint or "")
    with pytest.raises(DeploymentInvalid) as newer:
        parse_deployment(b'{"fields":"of another time","version":"9"}')
    assert "deploy anew" not in (newer.value.hint or "")
