"""What a node keeps and reads back: tables, bundles, trees in files, the chain's log, what other operators serve."""
