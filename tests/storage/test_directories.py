"""A store that was named by a relative path stays where it is when its program goes elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from docmap import Document, connect


class Page(Document, collection="pages"):
    text: str


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///here.db",
        "tinydb:///here.json?fold_size=1000",
        "shelve:///here.shelf",
        "leveldb:///here?write_buffer=1&sync=false",
    ],
)
def test_the_working_directory_changes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(home)
    with connect(url) as db:
        monkeypatch.chdir(elsewhere)
        # More than is kept in memory, so that new files are made.
        db.insert_many([Page(id=f"{n}", text="x" * 100_000) for n in range(30)])
        counts: list[int] = []
        thread = threading.Thread(target=lambda: counts.append(db.find(Page).count()))
        thread.start()
        thread.join()
        assert counts == [30]
        assert db.info()["size"] > 0
        db.reconnect()
        assert db.find(Page).count() == 30
    assert [*elsewhere.iterdir()] == []
