from services.events.app import create
from shared.web.server import serve

serve(create)
