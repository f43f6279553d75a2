"""Kit: what the doers (submitter, looker, keeper, courier, web) are given. Made once for each event loop."""

from collections.abc import Callable
from dataclasses import dataclass

from receiver.net import Net
from receiver.routing import Mint
from receiver.settings import Account, Settings
from receiver.settle import Rules
from receiver.share import Share
from receiver.store.protocol import Store
from receiver.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Kit:
    """The settings, the store and the ways out."""

    settings: Settings
    store: Store
    rules: Rules
    tokens: Tokens
    #: For calls to vendors: their `base_url` is the operator's word.
    net: Net
    #: For addresses that others gave: banned ones are refused.
    public: Net
    #: Microseconds since 1970.
    now: Callable[[], int]
    #: A number within 0..1.
    dice: Callable[[], float]
    #: The process's own, of all its loops.
    share: Share

    @property
    def mint(self) -> Mint:
        """A source of new ids."""
        return self.rules.mint

    def callback_url(self, account: Account, job_id: str) -> str | None:
        """The address to register for a job; None where the vendor has no callbacks or nobody could reach us."""
        if account.vendor.report_from_callback is None or self.settings.public_url is None:
            return None
        return self.settings.public_url.rstrip("/") + self.tokens.path(account.name, job_id)
