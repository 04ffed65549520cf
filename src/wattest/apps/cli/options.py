"""Options that several commands share, and what their choices and defaults are.

Decided here: the options' words. Values that belong to a room are written out, since importing the room would make
every ``--help`` wait for it; ``tests/unit/apps/test_apps_cli_options.py`` holds each against the room's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from wattest.environment import is_production_host

LATEST_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z
COLLATERAL_AGE_DAYS = 7
WARN_DAYS = 2
REGISTRATION_DAYS = 30
FETCH_CLOCK_TOLERANCE_S = 300
INTEL_PCS_URL = "https://api.trustedservices.intel.com"
CHEATS = ("withhold", "forge", "equivocate", "rollback", "none")
TEES = ("sgx", "tdx")
PCK_AUTHORITIES = ("processor", "platform")
SERVICE_KINDS = ("pccs", "pcs")
TOKEN_STATUSES = ("affirming", "warning")
TCB_STATUSES = (
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
)

PATH = click.Path(path_type=Path)
FILE = click.argument("file", type=PATH)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
ONCE = click.option("--once", is_flag=True, help="Take one step and end; the exit code is that of the first error.")
FAULTS = click.option(
    "--unsafe-development-faults",
    "faulty",
    is_flag=True,
    help="Let WATTEST_UNSAFE_FAULT kill this process. Tests only.",
)
ROOT = click.option(
    "--root",
    default="intel",
    show_default=True,
    metavar="intel|simulator|FILE",
    help="Whom to trust: Intel, the published development root, or a root certificate (PEM or DER).",
)
DEPLOYMENT_FILE = Path("deployment.json")
RPC = click.option("--rpc", required=True, metavar="URL", help="A node of the chain.")
DEPLOYMENT = click.option(
    "--deployment",
    "address_book",
    type=PATH,
    default=DEPLOYMENT_FILE,
    show_default=True,
    help="The address book, from `wattest deploy`.",
)
MANAGER_KEY = click.option("--key-file", required=True, type=PATH, help="The manager's key: 64 hex digits, mode 0600.")
PAYER_KEY = click.option("--key-file", required=True, type=PATH, help="Who pays: 64 hex digits, mode 0600.")
CHANNEL_ID = click.option("--channel", required=True, metavar="NAME|ID", help="The channel, by its name or its id.")
CHANNEL_IF_SEVERAL = click.option(
    "--channel", metavar="NAME|ID", help="The channel, where the operator serves several."
)


def config_option(whose: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """``--config``, the TOML file of a node."""
    return click.option("--config", "config_path", required=True, type=PATH, help=f"The {whose}'s TOML file.")


def deployment_options(function: Callable[..., None]) -> Callable[..., None]:
    """``--deployment``, ``--rpc`` and ``--json``."""
    for option in (JSON, RPC, DEPLOYMENT):
        function = option(function)
    return function


def production_switch(
    *, development: str | None = None, is_long: bool = False, **renamed: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--production`` of a command without a configuration file: what is not for production is refused at its start.

    ``development`` says what of the command exists for development only; ``is_long``: it runs on, and says the same
    without production; ``renamed``: parameters that other commands have by another name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def checked(*arguments: Any, production: bool, **given: Any) -> Any:
            if production or is_long or is_production_host(os.environ):
                from wattest.apps.production_options import stand_by_options

                standing = stand_by_options(given, switched_on=production, renamed=renamed, development=development)
                if is_long:
                    standing.say()
            return function(*arguments, **given)

        option = click.option("--production", is_flag=True, help="Refuse, before anything, what is not for production.")
        return option(checked)

    return decorate
