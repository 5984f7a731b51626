"""`python -m localfleet`: the command line."""

from localfleet.cli import main

main()
