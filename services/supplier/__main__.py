from services.supplier.app import create
from shared.web.server import serve

serve(create)
