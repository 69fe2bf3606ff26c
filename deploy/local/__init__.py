"""The embedded system: a private RabbitMQ node, a mail sink and the services, as processes below `.rummelig/`."""
