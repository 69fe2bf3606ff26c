from services.notifications.app import create
from shared.web.server import serve

serve(create)
