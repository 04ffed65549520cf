"""``wattest first-light``: the smallest whole, from a text to a contract's yes.

Decided here: what is asked for. What is done is in ``apps.actions.first_light``.
"""

from __future__ import annotations

import click

from wattest.apps.cli.options import production_switch


@click.command()
@click.argument("text")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@production_switch(development="first light, on an embedded chain and a simulated platform")
def first_light(text: str, as_json: bool) -> None:
    """Hash TEXT in an enclave, sign it there, and let a contract on a local chain check the signature.

    A simulated SGX platform starts the enclave program and quotes it; three appraisers judge the quote and two of them
    put the enclave's key on chain. Then the contract is asked twice: about the text, and about the text with one bit
    changed. Nothing is left behind.

    \b
    Example:
      wattest first-light hello
    """
    from wattest.apps.actions.first_light import first_light as shine_once

    shine_once(text, as_json)
