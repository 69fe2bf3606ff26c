"""Where demands, matches and copies of suppliers are kept; an index for each query."""

from services.procurement.domain import Demand, Match, Supplier
from shared.store.port import Index
from shared.store.repository import Repository

# Each element of the arrays is indexed; what is not to be found has empty ones (see domain/reach.py).
BY_CPV = (Index(("codes",)), Index(("line",)))

SUPPLIERS = Repository("suppliers", Supplier, indexes=BY_CPV, follows=True)

DEMANDS = Repository("demands", Demand, indexes=BY_CPV)

MATCHES = Repository(
    "matches",
    Match,
    indexes=(
        Index(("demand_id",)),  # who fits a demand
        Index(("supplier_id",)),  # what a supplier fits
    ),
)

REPOSITORIES = (SUPPLIERS, DEMANDS, MATCHES)
