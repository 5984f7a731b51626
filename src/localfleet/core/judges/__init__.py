"""Judges of one answer: pure, each in its file. None of them can choose a door; they only say whether to go on."""
