"""Operator and watcher: loops, store, bundle server."""
