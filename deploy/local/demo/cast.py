"""The people and companies of the demo: all invented."""

from shared.contracts.notifications import Subscribe
from shared.contracts.procurement import Buyer
from shared.contracts.supplier import Offering, RegisterSupplier

READERS = {
    "asta@naboen.example": "Asta Vinge",
    "bo@bageriet.example": "Bo Lindegren",
    "carla@cafeen.example": "Carla Mosevang",
    "dines@drejeriet.example": "Dines Krogsbæk",
    "esther@engen.example": "Esther Åkjær",
}
"""Those who confirm their subscription: address -> name. The last one reads English."""

ENGLISH = "esther@engen.example"
LEAVER = "bo@bageriet.example"
"""Unsubscribes with one click."""

DOUBTER = "frode@fjorden.example"
"""Subscribes twice and never confirms."""


def subscription(address: str) -> Subscribe:
    """What each of them asks for."""
    return Subscribe(
        email=address,
        name=READERS.get(address, "Frode Bjergager"),
        topics=("newsletter", "network-events"),
        language="en" if address == ENGLISH else "da",
    )


CLEANERS = RegisterSupplier(
    cvr="DK 13 58 56 28",
    name="Rent Bord ApS",
    email="kontakt@rentbord.example",
    municipality="0791",
    offerings=(Offering(title="Kontorrengøring", cpv="90919200-4"),),
)
KITCHEN = RegisterSupplier(
    cvr="24256790",
    name="Det Skæve Køkken ApS",
    email="hej@skaevekoekken.example",
    municipality="0740",
    offerings=(Offering(title="Kantinedrift", cpv="55510000-8"), Offering(title="Mødeforplejning", cpv="55520000-1")),
)
FURNITURE = RegisterSupplier(
    cvr="30715063",
    name="Møbelværkstedet Andet Liv ApS",
    email="salg@andetliv.example",
    municipality="0751",
    offerings=(Offering(title="Genbrugsmøbler", cpv="39100000-3"),),
)
LATECOMER = RegisterSupplier(
    cvr="35408002",
    name="Grøn Vask ApS",
    email="post@groenvask.example",
    municipality="0791",
    offerings=(Offering(title="Rengøring af institutioner", cpv="90910000-9"),),
)

BUYER = Buyer(name="Birkelund Kommune", cvr="40000003", email="indkoeb@birkelund.example", municipality="0791")

ON_SITE = [f"gaest{n:02}@forening{n:02}.example" for n in range(1, 17)]
"""Sixteen for fourteen seats on site."""

ONLINE = [f"skaerm{n}@hjemme{n}.example" for n in range(1, 5)]
"""Four for three seats online."""

NAMES = ("Gry", "Holger", "Inge", "Jeppe", "Karla", "Laurits", "Magda", "Niels", "Olga", "Palle")


def guest_name(number: int) -> str:
    """A name for the guest of a number."""
    return f"{NAMES[number % len(NAMES)]} Prøvestad {number}"
