"""Write vectors/dcap/collateral.json: QE identities and TCB infos, and which of them contracts refuse with what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform

OUT = Path(__file__).parent / "dcap" / "collateral.json"
NOW = 1_790_000_000
UNEXPECTED = "JsonUnexpected(uint256)"
LATER = '{"tcb":{"isvsvn":1},"tcbDate":"2018-08-15T00:00:00Z","tcbStatus":"OutOfDate","advisoryIDs":["A-1","A-2"]}'


def main() -> None:
    """Write the vector file."""
    collateral = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW)).collateral(NOW)
    qe, tcb = collateral.qe_identity, collateral.tcb_info
    level = tcb[tcb.index('{"tcb"') : -2]
    components = '{"svn":5},'
    assert components in tcb
    more = level.replace("UpToDate", "SWHardeningNeeded").replace('"svn":5', '"svn":4')
    identities = {
        "healthy": (qe, ""),
        "two levels": (qe.replace("}]}", "}," + LATER + "]}"), ""),
        "same SVN twice": (
            qe.replace("}]}", "}," + qe[qe.index('{"tcb"') : -2] + "]}"),
            "QeLevelsNotDescending(uint256)",
        ),
        "space": (qe.replace(",", ", ", 1), UNEXPECTED),
        "text after the end": (qe + " ", UNEXPECTED),
        "cut": (qe[:-1], UNEXPECTED),
        "of a trust domain": (qe.replace('"QE"', '"TD_QE"'), UNEXPECTED),
        "unknown status": (qe.replace("UpToDate", "Splendid"), "TcbStatusUnknown(uint256)"),
        "month 13": (qe.replace('"issueDate":"2026-09', '"issueDate":"2026-13'), UNEXPECTED),
        "leading zero": (qe.replace('"isvprodid":', '"isvprodid":0'), UNEXPECTED),
        "product above 65535": (qe.replace('"isvprodid":1', '"isvprodid":65536'), UNEXPECTED),
        "no hex": (qe.replace('"11000000', '"1100000g'), UNEXPECTED),
    }
    infos = {
        "healthy": (tcb, ""),
        "named components": (tcb.replace(components, '{"svn":5,"category":"BIOS","type":"Early"},', 1), ""),
        "two levels": (tcb.replace("}]}", "}," + more + "]}"), ""),
        "fifteen components": (tcb.replace(components, "", 1), UNEXPECTED),
        "seventeen components": (tcb.replace(components, components * 2, 1), UNEXPECTED),
        "component above 255": (tcb.replace('"svn":5', '"svn":256', 1), UNEXPECTED),
        "trust domains": (tcb.replace('"SGX"', '"TDX"'), UNEXPECTED),
        "version 2": (tcb.replace('"version":3', '"version":2'), UNEXPECTED),
        "too many levels": (tcb.replace(level, ",".join([level] * 65)), "TooManyTcbLevels()"),
        "escape": (tcb.replace("UpToDate", "UpTo\\u0044ate"), UNEXPECTED),
        "nothing": ("", UNEXPECTED),
    }
    content = {
        "description": "what contracts/src/dcap reads of each text; docs/spec/dcap-on-chain.md",
        "identities": [case(name, *each) for name, each in identities.items()],
        "infos": [case(name, *each) for name, each in infos.items()],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(content, indent=1) + "\n")


def case(name: str, text: str, error: str) -> dict[str, Any]:
    """A text, and the error that refuses it or none."""
    selector = keccak(error.encode())[:4].hex() if error else ""
    return {"name": name, "text": text.encode().hex(), "error": error, "selector": selector}


if __name__ == "__main__":
    main()
