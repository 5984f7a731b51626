"""Where the local classifier is trained and measured: numpy, minutes at most, never in the path of a request."""
