"""Work in files (`/v1/files`, `/v1/batches`): kept sealed, run line by line through the gateway, deleted in time."""
