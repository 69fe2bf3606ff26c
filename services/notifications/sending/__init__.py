"""Gets deliveries to the mail server, each once as far as SMTP lets one know."""
