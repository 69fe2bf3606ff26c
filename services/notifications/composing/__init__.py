"""From a delivery to the bytes of a mail."""
