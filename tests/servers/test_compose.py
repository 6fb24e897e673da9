"""`compose.yaml`: the servers that it starts are those that the documentation names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")


def parsed() -> dict[str, Any]:
    """The file, by as much of YAML as it uses: mappings, lists, folded text, comments."""
    lines = [one for one in TEXT.splitlines() if one.strip() and one.strip()[0] != "#"]
    value, rest = _block(lines, 0)
    assert rest == []
    assert isinstance(value, dict)
    return value


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    found: Any = None
    while lines and _indent(lines[0]) == indent:
        line, lines = lines[0].strip(), lines[1:]
        deeper = bool(lines) and _indent(lines[0]) > indent
        if line.startswith("- "):
            found = [] if found is None else found
            item = line[2:]
            if item == ">-":
                folded = []
                while lines and _indent(lines[0]) > indent:
                    folded.append(lines[0].strip())
                    lines = lines[1:]
                found.append(" ".join(folded))
            else:
                found.append(_scalar(item))
            continue
        name, colon, value = line.partition(":")
        assert colon, line
        found = {} if found is None else found
        assert name not in found, f"{name} is there twice"
        if value.strip():
            found[name] = _scalar(value.strip())
        elif deeper:
            found[name], lines = _block(lines, _indent(lines[0]))
        else:
            found[name] = None
    return found, lines


def _scalar(text: str) -> Any:
    if text[0] in '["':
        return json.loads(text)
    return int(text) if text.isdigit() else text


def test_it_has_the_servers_on_the_loopback_alone() -> None:
    services = parsed()["services"]
    assert set(services) == {"postgresql", "mongodb", "ferretdb"}
    ports = {name: service["ports"] for name, service in services.items()}
    assert ports == {
        "postgresql": ["127.0.0.1:5432:5432"],
        "mongodb": ["127.0.0.1:27017:27017"],
        "ferretdb": ["127.0.0.1:27018:27017"],
    }
    for service in services.values():
        assert re.fullmatch(r"[a-z./]+:[\d.]+", service["image"])


def test_the_volumes_that_are_used_are_declared() -> None:
    file = parsed()
    used = {
        volume.partition(":")[0]
        for service in file["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(file["volumes"])


def test_servers_are_waited_for() -> None:
    services = parsed()["services"]
    for name in ("postgresql", "mongodb"):
        check = services[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        assert check["retries"] >= 10
    environment = services["postgresql"]["environment"]
    assert services["postgresql"]["healthcheck"]["test"][1:] == [
        "pg_isready",
        "-U",
        environment["POSTGRES_USER"],
    ]


def test_the_replica_set_is_made_and_named_as_programs_reach_it() -> None:
    mongodb = parsed()["services"]["mongodb"]
    assert mongodb["image"] == "mongo:8"
    assert mongodb["command"][:3] == ["mongod", "--replSet", "rs0"]
    script = mongodb["healthcheck"]["test"][-1]
    (made,) = re.findall(r"rs\.initiate\((\{.*?\]\})\)", script)
    plain = json.loads(re.sub(r"(\w+):(?= )", r'"\1":', made))
    assert plain == {"_id": "rs0", "members": [{"_id": 0, "host": "127.0.0.1:27017"}]}
    assert script.count("{") == script.count("}")
    assert script.count("(") == script.count(")")
    assert "isWritablePrimary" in script


def test_the_urls_that_are_told_are_those_of_the_services() -> None:
    environment = parsed()["services"]["postgresql"]["environment"]
    user, password, database = (
        environment[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB")
    )
    urls = [
        f"DOCMAP_TEST_POSTGRESQL_URL='postgresql://{user}:{password}@127.0.0.1:5432/{database}'",
        "DOCMAP_TEST_MONGODB_URL='mongodb://127.0.0.1:27017/?replicaSet=rs0'",
        "DOCMAP_TEST_FERRETDB_URL='mongodb://127.0.0.1:27018/'",
    ]
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    for url in urls:
        assert f"#   export {url}\n" in TEXT
        assert f"\nexport {url}\n" in page
    assert "docker compose up --wait" in TEXT
    assert "docker compose up --wait" in page
