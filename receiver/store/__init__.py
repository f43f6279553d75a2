"""The durable memory. `protocol.py` says what it promises; `open_store` opens it."""
