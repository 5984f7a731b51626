"""What the person who pays sees: reports, plots, advice, scenarios. Reads files and prints nothing."""
