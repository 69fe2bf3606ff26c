"""DKIM (RFC 6376): a signature over the headers that matter, both List-Unsubscribe ones included (RFC 8058 §4)."""

SIGNED = (
    *("from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted"),
)


class DkimSigner:
    """Signs with one RSA key, whose public half stands in DNS at <selector>._domainkey.<domain>."""

    def __init__(self, key: str, selector: str, domain: str) -> None:
        """`key` is PEM; ValueError where it is no RSA private key."""
        from dkim.crypto import UnparsableKeyError, parse_pem_private_key  # noqa: PLC0415 - as in `sign`

        self._key = key.encode()
        self._selector = selector.encode()
        self._domain = domain.encode()
        try:
            parse_pem_private_key(self._key)
        except (UnparsableKeyError, ValueError, IndexError):
            raise ValueError("is no RSA private key in PEM") from None

    def sign(self, message: bytes) -> bytes:
        """The message with a DKIM-Signature in front."""
        import dkim  # noqa: PLC0415 - brings a whole DNS client along: only where mails are signed

        present = {line.split(b":", 1)[0].strip().lower() for line in message.split(b"\r\n\r\n", 1)[0].split(b"\r\n")}
        include = [name.encode() for name in SIGNED if name.encode() in present]
        # From twice: nobody can add another one (RFC 6376 §8.15).
        signature: bytes = dkim.sign(
            message,
            self._selector,
            self._domain,
            self._key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[*include, b"from"],
        )
        return signature + message
