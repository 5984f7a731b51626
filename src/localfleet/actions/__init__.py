"""
Requests that take several calls: cascades and pipelines, with what judges them.

Every call goes through `Gateway.answer`, with a label, a decision, an intent and a receipt of its own. Nothing here
builds a route, and nothing here takes a label down.
"""
