"""The command line, one module for each command or group of them."""

from frustra.cli.app import app, main

__all__ = ["app", "main"]
