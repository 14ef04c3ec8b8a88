"""`python -m frustra.cli`."""

from frustra.cli.app import main

main()
