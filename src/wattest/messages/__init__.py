"""What somebody signs or is bound by: headers, member lists, terms, permits, verdicts, as EIP-712 typed values."""
