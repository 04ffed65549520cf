"""Files, HTTP and sockets, and the named points where a test may end a process; the receipt and below never use it."""
