"""What all services stand on: contracts, messaging, store, web, observability. Never imports a service."""
