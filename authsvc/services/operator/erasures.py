"""Erasing a person at once, on an operator's word."""

from authsvc.services.operator.users import Users
from authsvc.services.people.closing import AccountClosing
from authsvc.values.operator import UserRefused


class Erasures:
    """Erases users, whatever their status."""

    def __init__(self, users: Users, closing: AccountClosing) -> None:
        self._users = users
        self._closing = closing

    def erase(self, user_id: int, by: str = "") -> None:
        """Erase a user with all that were merged into it. This cannot be undone.

        On SQLite, traces stay in the file until the next purge. ``by`` is the operator who does it; empty for the
        command line. Raises UserRefused.
        """
        user = self._users.get(user_id)
        if user.merged_into_id is not None:
            merged = f"user {user_id} was merged into user {user.merged_into_id}; erase that one"
            raise UserRefused("merged_away", merged)
        if not self._closing.erase(user_id, "by the operator", by):
            raise UserRefused("no_such_user", f"there is no user {user_id}")
