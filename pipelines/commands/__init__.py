"""The commands, a few to a module. What is heavy is imported inside the command that needs it."""
