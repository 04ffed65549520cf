"""Check vectors/workload without wattest: digests with hashlib and json, series with the tests' plain second reading.

Exits with an assertion error at the first value that this reading does not confirm.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "differential"))
from vee_twin import vee  # noqa: E402  (a plain second reading of docs/spec/vee.md, which imports nothing of wattest)


def main() -> None:
    """Recompute every digest and every edited series."""
    engine = json.loads((HERE / "workload" / "engine.json").read_text())
    digests = {}
    for configuration in engine["configurations"]:
        canonical = json.dumps(json.loads(configuration["canonical"]), sort_keys=True, separators=(",", ":"))
        assert canonical == configuration["canonical"]
        digests[configuration["name"]] = hashlib.sha256(canonical.encode()).digest()
        assert digests[configuration["name"]].hex() == configuration["digest"]
    for workload in engine["workloads"]:
        version = hashlib.sha256(workload["engine_version"].encode()).digest()
        parts = bytes.fromhex(workload["wasm_sha256"]) + version + digests[workload["configuration"]]
        assert hashlib.sha256(parts).hexdigest() == workload["workload"]
    for vector in json.loads((HERE / "workload" / "vee.json").read_text()):
        assert vee(bytes.fromhex(vector["input"])).hex() == vector["output"], vector["name"]


if __name__ == "__main__":
    main()
