"""
Runs in the Python that has vLLM: lets its own fetcher of media try a URL under a list of allowed hosts, and says how it
went: `refused` before any connection, or the name of another error.
"""

import sys

from vllm.multimodal.media import MediaConnector

_, url, *hosts = sys.argv
try:
    MediaConnector(allowed_media_domains=hosts).fetch_image(url)
except ValueError as exc:
    sys.stdout.write("{refused}" if "allowed domains" in str(exc) else "{ValueError}")
except Exception as exc:  # noqa: BLE001  # whatever it was, it tried
    sys.stdout.write(f"{{{type(exc).__name__}}}")
