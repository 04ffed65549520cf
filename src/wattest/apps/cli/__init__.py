"""The command line: one module per noun, loaded only when its command runs.

Decided here: how an expected error prints, which exit code it gives, and that an interrupt ends without a traceback,
also while modules are imported. The commands are in ``commands``. Exit codes: 0 done, 1 our bug, 2 usage,
3 input, 4 verification, 5 protocol, 6 transport, 7 configuration, 8 incomplete, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattest.errors import WattestError

_INTERRUPTED = 130
_OUTPUT_LOST = 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with an exit code by kind of failure."""
    try:
        from wattest.apps.interrupts import block_interrupts, raise_on_interrupt

        raise_on_interrupt()
        code = run(arguments)
        block_interrupts()  # all is said and stopped; the interpreter needs a moment to end
    except KeyboardInterrupt:  # while modules were imported
        code = _INTERRUPTED
    code = _flushed(code)
    if code == _INTERRUPTED:
        # Everything was stopped and flushed above. The interpreter's own way out takes a while, and a second Ctrl-C in
        # it was seen to end the process by the signal instead of with the code.
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; bugs propagate as tracebacks."""
    import click

    from wattest.apps.cli.commands import cli
    from wattest.errors import WattestError

    as_json = "--json" in (arguments if arguments is not None else sys.argv)
    try:
        result = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (SystemExit, BrokenPipeError):  # whoever read our output has seen enough; click then raises SystemExit
        return _OUTPUT_LOST
    except WattestError as error:
        _show(error, as_json=as_json)
        return error.exit_code
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}:
            raise
        _show(_disk_failed(error), as_json=as_json)
        return _OUTPUT_LOST
    return result if isinstance(result, int) else 0


def _disk_failed(error: OSError) -> WattestError:
    from wattest.io.files import DiskFailed

    return DiskFailed(
        f"a file could not be written or read: {error.strerror}",
        retryable=False,
        path=error.filename,
        hint="make room and check permissions; temporary files go where TMPDIR points",
    )


def _show(error: WattestError, *, as_json: bool) -> None:
    import json

    import click

    value = error.as_dict()
    if as_json:
        click.echo(json.dumps(value), err=True)
        return
    click.echo(f"error: {_printable(error.message)}", err=True)
    for name, field in value["fields"].items():  # type: ignore[attr-defined]
        if field not in (None, "", []):
            click.echo(f"  {name}: {_printable(str(field))}", err=True)
    if error.hint:
        click.echo(f"  what to do: {_printable(error.hint)}", err=True)


def _printable(text: str) -> str:
    """Text without control characters other than line ends: a terminal must not obey what a file or a peer says."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def _flushed(code: int) -> int:
    """Push out what is still buffered, so that a reader who left, or a full disk, cannot end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())  # what is left in the buffer goes there at exit
            os.close(nowhere)
            code = code or _OUTPUT_LOST
    return code
