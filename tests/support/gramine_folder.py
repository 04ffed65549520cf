"""Gramine's pseudo-files in a folder, over the simulated platform: what an enclave sees under Gramine."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from wattest.enclave.simulator.launch import DeviceService


class GramineFolder:
    """Gramine's files over the simulator: a named pipe takes report data, another gives the quote over it."""

    def __init__(self, folder: Path, service: DeviceService) -> None:
        self.folder = folder
        self._service = service
        (folder / "keys").mkdir(parents=True)
        (folder / "keys" / "_sgx_mrenclave").write_bytes(service.sealing_key(b"root")[:16])
        os.mkfifo(folder / "user_report_data")
        os.mkfifo(folder / "quote")
        self._stop = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            report_data = (self.folder / "user_report_data").read_bytes()
            if self._stop:
                return
            (self.folder / "quote").write_bytes(self._service.quote(report_data))

    def close(self) -> None:
        self._stop = True
        (self.folder / "user_report_data").write_bytes(b"")
        self._thread.join()
