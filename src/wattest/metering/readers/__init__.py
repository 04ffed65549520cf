"""Readers of what meters emit: OCMF, DSMR P1, interval CSV."""
