"""The one way to a chain: client, embedded anvil, contract artefacts, address book."""
