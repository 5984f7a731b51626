"""
Redact and escalate: private values replaced by pseudonyms of the same shape, and put back in the answer.

Pure. `whole` says what a find really is, `people` and `pseudonyms` make the stand-ins, `draft` replaces until the
detectors find nothing of the caller's any more, `proof` is what the policy accepts, `restore` turns answers back.
Nothing here is kept: the same seed gives the same pseudonyms, and the caller holds the seed.
"""
