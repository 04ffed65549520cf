"""``python -m wattest.apps.cli``: the same as the ``wattest`` command."""

from wattest.apps.cli import main

main()
