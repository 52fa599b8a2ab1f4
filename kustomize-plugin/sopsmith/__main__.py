"""`python -m sopsmith`."""

from sopsmith.cli import main

main()
