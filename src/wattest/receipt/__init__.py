"""What a third party verifies, from statement to block header."""
