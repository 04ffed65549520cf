"""Watching operators: fetch what they serve, check it again from header to reading, challenge or prove what fails."""
