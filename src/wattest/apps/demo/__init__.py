"""The demo: an energy community taken through all of wattest on the embedded default."""
