"""
The quiet room: values and decisions.

Standard library only. No I/O, no async, no clock, no random, no logging: whatever the
outside world knows comes in as a value. `tests/test_house.py` holds this.
"""
