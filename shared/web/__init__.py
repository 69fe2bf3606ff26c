"""What a service shows over HTTP: server, health, middleware, pages and the links that mails carry."""
