"""What each command does, one module a command or a few that belong together; imported when the command runs."""
