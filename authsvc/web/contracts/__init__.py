"""The shapes of existing front ends, one file each. A contract only translates, and decides nothing.

A new contract is one file here and one line in ``CONTRACTS``.
"""

from flask.sansio.app import App

from authsvc.values.sessions import ContractName, TokenPolicy
from authsvc.web.contracts.bearer import BEARER
from authsvc.web.contracts.code_message_data import CODE_MESSAGE_DATA
from authsvc.web.contracts.code_msg_data import CODE_MSG_DATA
from authsvc.web.contracts.console import CONSOLE
from authsvc.web.contracts.detail import DETAIL
from authsvc.web.contracts.native import NATIVE
from authsvc.web.contracts.oauth import OAUTH
from authsvc.web.contracts.shape import Contract
from authsvc.web.contracts.success_data import SUCCESS_DATA

CONTRACTS: tuple[Contract, ...] = (
    NATIVE,
    BEARER,
    DETAIL,
    CODE_MESSAGE_DATA,
    CODE_MSG_DATA,
    SUCCESS_DATA,
    OAUTH,
    CONSOLE,
)

# The key under which the app stores the names of the contracts that it serves.
EXTENSION = "authsvc-contracts"


def is_on(contract: Contract, app: App) -> bool:
    """True if this app serves the contract."""
    return contract.name in app.extensions[EXTENSION]


def served(front_ends: tuple[ContractName, ...], *, console: bool) -> frozenset[str]:
    """Return the names for EXTENSION: of these front ends, and of the shapes that are nobody's."""
    return frozenset({*front_ends, OAUTH.name, *((CONSOLE.name,) if console else ())})


def longest_token_seconds() -> int:
    """Return how long a token of any contract may be in use: while it is valid, or may still be renewed."""
    return max(max(policy.lifetime, policy.idle) for policy in _policies())


def token_lifetimes() -> dict[str, int]:
    """Return the token lifetimes in seconds by contract; that of the native API comes from the settings."""
    return {policy.contract: policy.lifetime for policy in _policies()}


def _policies() -> list[TokenPolicy]:
    return [route.policy for contract in CONTRACTS for route in contract.routes if route.policy]


def for_path(path: str, app: App) -> Contract:
    """Return the contract whose shape is used for an address without a route: the longest prefix wins."""
    ours = [contract for contract in CONTRACTS if is_on(contract, app)]
    owners = [(len(prefix), contract) for contract in ours for prefix in contract.prefixes if path.startswith(prefix)]
    return max(owners, key=lambda owner: owner[0], default=(0, NATIVE))[1]
