"""Looks at what the images are made of: `python -m deploy.security.sbom` writes it down, `….audit` checks it."""
