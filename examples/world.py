"""Collections without a class: countries as plain dicts, asked in the same way as documents.

Run it anywhere: `python examples/world.py`. It keeps everything in SQLite's memory.
"""

from __future__ import annotations

from docmap import Q, connect, path

COUNTRIES = [
    {"id": "AT", "name": "Austria", "area": 83871, "borders": ["CH", "DE"]},
    {"id": "CH", "name": "Switzerland", "area": 41284, "borders": ["AT", "DE", "FR"]},
    {"id": "DE", "name": "Germany", "area": 357114, "borders": ["AT", "CH", "FR"], "eu": 1957},
    {"id": "FR", "name": "France", "area": 551695, "borders": ["CH", "DE"], "eu": 1957},
    {"id": "MT", "name": "Malta", "area": 316, "borders": [], "capital": {"name": "Valletta"}},
]


def main() -> None:
    """Fill a collection and ask it some questions."""
    with connect("sqlite://") as db:
        db.insert_many("countries", COUNTRIES)
        countries = db.find("countries")

        print("By size:", ", ".join(row["name"] for row in countries.order_by("-area")[:3]))
        print("Beside Austria:", countries.where(borders__contains="AT").values("name"))
        print("Without neighbours:", countries.where(borders__size=0).values("name"))
        print("Neighbours in all:", countries.values(path("borders").each()))
        founders_or_small = Q(eu=1957) | Q(area__lt=1000)
        print("Founders or small:", countries.where(founders_or_small).values("name"))
        known = countries.where(capital__name__exists=True).one()
        print("Capital known:", known["capital"]["name"])
        print("No year of joining:", countries.where(eu=None).count())

        malta = db.get("countries", "MT")
        malta["eu"] = 2004
        db.save("countries", malta, primary_key=malta["id"])
        print("Years:", countries.values("eu"))


if __name__ == "__main__":
    main()
