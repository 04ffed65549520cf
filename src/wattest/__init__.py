"""wattest: attested metering whose every step a stranger can check.

The floors, from the top: ``apps``, ``node``, ``chain | enclave``, ``receipt``, ``settlement | attestation``,
``protocol``, ``metering | workload``, ``merkle``, ``crypto``, ``units`` and ``errors``. Imports point downward only;
``docs/architecture.md`` walks one reading through them.
"""

__version__ = "0.1.0"
