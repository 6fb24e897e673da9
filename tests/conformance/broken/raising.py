"""Adapters that only raise: nothing of the suite may pass on them."""

from __future__ import annotations

from typing import Any

from docmap import BaseStorageAdapter
from docmap.errors import StorageError

_HOOKS = (
    "_disconnect _clear _sync _ping _native _info _collections _ensure _present_indexes "
    "_build_index _drop_index _shape _scan _put _remove _get _get_many _next_key _save _save_many "
    "_save_each _rewrite _delete _refresh _find _count _distinct _aggregate _explain_aggregate "
    "_delete_matching _delete_keys _update_matching _update_first _update_reason _orders "
    "_explain _watch _unwatch _transaction"
).split()


class CannotConnect(BaseStorageAdapter):
    """Raises when it is connected."""

    scheme = "raising"

    def _connect(self) -> None:
        raise StorageError("it only raises", engine=self.scheme)


class OnlyRaises(BaseStorageAdapter):
    """Connects, and raises whatever it is asked then."""

    scheme = "raising"

    def _connect(self) -> None:
        pass


def _raises(self: BaseStorageAdapter, *arguments: Any, **named: Any) -> Any:
    raise StorageError("it only raises", engine=self.scheme)


for _hook in _HOOKS:
    setattr(OnlyRaises, _hook, _raises)
