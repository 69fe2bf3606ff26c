"""The rules of social procurement: demands, the suppliers that fit them, and the matches of the two."""

from services.procurement.domain.demand import Demand, UnknownDemand, publish
from services.procurement.domain.match import Match, Pairing, match
from services.procurement.domain.reach import Reach
from services.procurement.domain.supplier import Supplier, left, listed

__all__ = ["Demand", "Match", "Pairing", "Reach", "Supplier", "UnknownDemand", "left", "listed", "match", "publish"]
