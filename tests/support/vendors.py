"""The vendor files as they lie in their folder, and an account's terms without an operator's word."""

import importlib
import pkgutil

import schemas.vendors
from receiver.suite.vendors import terms_of
from schemas.vendor import Vendor

__all__ = ["every_vendor", "terms_of", "vendor_named"]


def every_vendor() -> list[Vendor]:
    """Every vendor found in the folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(schemas.vendors.__path__))
    return [vendor_named(name) for name in names]


def vendor_named(name: str) -> Vendor:
    """One vendor by the name of its file."""
    vendor = importlib.import_module(f"schemas.vendors.{name}").VENDOR
    assert isinstance(vendor, Vendor)
    return vendor
