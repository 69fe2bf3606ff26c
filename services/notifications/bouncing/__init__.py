"""Mails that come back: read from a Maildir, matched by their return address, kept with the delivery."""
