"""Readings, records, series, device blocks and the formats meters speak."""
