"""The durable memory. `protocol.py` says what it promises; `open_store` opens it."""

from receiver.store.opening import Opening, migrate, open_store, open_store_now, schema_version
from receiver.store.protocol import Store

__all__ = ["Opening", "Store", "migrate", "open_store", "open_store_now", "schema_version"]
