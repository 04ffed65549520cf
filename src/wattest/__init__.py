"""wattest: attested metering whose every step a stranger can check.

Imports point downward only, floor by floor; ``docs/architecture.md`` draws the floors and walks one reading through
them, ``docs/rooms.md`` lists every file.
"""

__version__ = "0.1.0"
