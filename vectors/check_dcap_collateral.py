"""Check vectors/dcap/collateral.json without wattest: the json module and the format page alone.

A text that is accepted is compact JSON with the fields that the page names; a refused one is not, or breaks its error's
rule. Exits with an assertion error at the first case that is not confirmed.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

FILE = Path(__file__).parent / "dcap" / "collateral.json"
STATUSES = {
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded", "Revoked",
}  # fmt: skip
UNEXPECTED = "JsonUnexpected(uint256)"


def check(content: dict[str, Any]) -> None:
    """Confirm every case."""
    for part, judge in (("identities", identity_error), ("infos", info_error)):
        for case in content[part]:
            assert case["error"] == judge(bytes.fromhex(case["text"]).decode()), case["name"]
            expected = keccak(case["error"].encode())[:4].hex() if case["error"] else ""
            assert case["selector"] == expected, case["name"]


def parsed(text: str) -> dict[str, Any] | None:
    """The object, or None for what is not JSON in its one compact form."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or json.dumps(value, separators=(",", ":")) != text:
        return None
    try:
        moments = [value["issueDate"], value["nextUpdate"], *(level["tcbDate"] for level in value["tcbLevels"])]
        for moment in moments:
            datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").astimezone()
    except (KeyError, ValueError):
        return None
    return value


def identity_error(text: str) -> str:
    """The error of a QE identity, or an empty text."""
    value = parsed(text)
    if value is None or (value["id"], value["version"]) != ("QE", 2) or value["isvprodid"] > 0xFFFF:
        return UNEXPECTED
    sizes = {"miscselect": 4, "miscselectMask": 4, "attributes": 16, "attributesMask": 16, "mrsigner": 32}
    try:
        if any(len(bytes.fromhex(value[name])) != size for name, size in sizes.items()):
            return UNEXPECTED
    except ValueError:
        return UNEXPECTED
    if any(level["tcbStatus"] not in STATUSES for level in value["tcbLevels"]):
        return "TcbStatusUnknown(uint256)"
    numbers = [level["tcb"]["isvsvn"] for level in value["tcbLevels"]]
    return "" if numbers == sorted(set(numbers), reverse=True) else "QeLevelsNotDescending(uint256)"


def info_error(text: str) -> str:
    """The error of a TCB info, or an empty text."""
    value = parsed(text)
    if value is None or (value["id"], value["version"]) != ("SGX", 3):
        return UNEXPECTED
    for level in value["tcbLevels"]:
        components = level["tcb"]["sgxtcbcomponents"]
        if len(components) != 16 or any(each["svn"] > 255 for each in components):
            return UNEXPECTED
    return "TooManyTcbLevels()" if len(value["tcbLevels"]) > 64 else ""


if __name__ == "__main__":
    check(json.loads(FILE.read_text()))
