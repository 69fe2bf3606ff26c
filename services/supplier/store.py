"""Where suppliers are kept. The id comes from the CVR number, so no further key is needed for one profile each."""

from services.supplier.domain import Supplier
from shared.store.repository import Repository

SUPPLIERS = Repository("suppliers", Supplier)

REPOSITORIES = (SUPPLIERS,)
