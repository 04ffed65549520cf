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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wattest.errors import WattestError

_INTERRUPTED = 130
_OUTPUT_LOST = 6
_INTERRUPTION: dict[str, Any] = {"error": "interrupted", "message": "interrupted", "hint": None, "fields": {}}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with an exit code by kind of failure."""
    try:
        from wattest.apps.cli.start import make_end_quick, make_start_quick
        from wattest.apps.interrupts import block_interrupts, raise_on_interrupt

        raise_on_interrupt()
        make_start_quick(os.environ)
        code = run(arguments)
        block_interrupts()  # all is said and stopped; the interpreter needs a moment to end
        make_end_quick()
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
    from wattest.errors import EXIT_USAGE, WattestError

    given = list(arguments) if arguments is not None else sys.argv[1:]
    as_json = "--json" in given
    try:
        result = cli.main(args=given, prog_name="wattest", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _show(_INTERRUPTION, as_json=as_json)
        return _INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # the whole help
        return EXIT_USAGE
    except click.ClickException as error:
        from wattest.apps.cli.usage import usage_value

        _show(usage_value(error), as_json=as_json)
        return EXIT_USAGE
    except SystemExit as ending:  # click's way out of completion, and of output that nobody reads
        return ending.code if ending.code == 0 else _OUTPUT_LOST
    except BrokenPipeError:  # whoever read our output has seen enough
        return _OUTPUT_LOST
    except WattestError as error:
        _show(error.as_dict(), as_json=as_json)
        return error.exit_code
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}:
            raise
        _show(_disk_failed(error).as_dict(), as_json=as_json)
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


def _show(value: dict[str, Any], *, as_json: bool) -> None:
    """An error on standard error: one JSON object, or a sentence, its fields and what to do."""
    import json

    import click

    if as_json:
        click.echo(json.dumps(value), err=True)
        return
    leads = "" if value is _INTERRUPTION else "error: "
    click.echo(f"{leads}{_printable(value['message'])}", err=True)
    for name, field in value["fields"].items():
        if field not in (None, "", []):
            if isinstance(field, list):
                separator, parts = ("\n    ", ["", *map(_line, field)]) if isinstance(field[0], dict) else (", ", field)
                shown = separator.join(map(str, parts))
            else:
                shown = str(field)
            label = "did you mean" if name == "did_you_mean" else name
            click.echo(f"  {label}: {_printable(shown)}", err=True)
    if value["hint"]:
        click.echo(f"  what to do: {_printable(value['hint'])}", err=True)


def _line(value: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {item}" for name, item in value.items())


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
