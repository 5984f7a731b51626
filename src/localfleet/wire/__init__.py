"""The reading table: bytes that someone else wrote in, values out. Sync, no sockets, no clock."""
