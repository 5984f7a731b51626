"""
The first layer of privacy detectors: what has a shape, a prefix or a checksum.

Pure: text in, kinds and counts out. Here live tables of rows (kind, cheap prefilter, pattern,
validator); names, topics and meaning do not, they need more than patterns. `checksums` holds the arithmetic, `fold`
undoes disguises, `guess` tells secrets from stand-ins, `row` says what a row is, `sieve` which rows can match at all,
`scan` reads a text; every other module is one table.
"""

from localfleet.core.detectors.fold import fold, fold_places
from localfleet.core.detectors.scan import KINDS, SECRET_KINDS, Find, find_all, scan

__all__ = ["KINDS", "SECRET_KINDS", "Find", "find_all", "fold", "fold_places", "scan"]
