"""Hashing, signing, encryption and canonical bytes; the face of the native core."""
