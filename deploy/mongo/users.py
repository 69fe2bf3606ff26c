"""Who may do what in MongoDB: each service reads and writes the database of its own name, and nothing else.

    mongosh "$ADMIN_URL" --file users.js      made by: python -m deploy.mongo.users > users.js

The script takes each password from `<SERVICE>_STORE_PASSWORD` in its own environment, so the file holds no secret; it
may run again, and gives a user another password then. docker-compose.yml gives each service a MongoDB of its own, and
`init` writes the same for it. Needs the standard library only.
"""

import json
import sys
from collections.abc import Sequence

AUTHENTICATION = "admin"
"""The database that users are kept in: `authSource` in a service's URL."""


def user(service: str) -> dict[str, object]:
    """As MongoDB's createUser takes it, without the password."""
    return {"user": service, "roles": [{"role": "readWrite", "db": service}]}


def script(service: str, password: str | None = None) -> str:
    """JavaScript for mongosh. Without a password it is taken from the environment, where it has to be."""
    variable = f"{service.upper()}_STORE_PASSWORD"
    if password is not None:
        given = json.dumps(password)
    else:
        given = f'process.env.{variable} || (() => {{ throw new Error("{variable} is not set") }})()'
    return (
        f"((users, known, password) => users.getUser(known.user)\n"
        f"  ? users.updateUser(known.user, {{ roles: known.roles, pwd: password }})\n"
        f"  : users.createUser({{ ...known, pwd: password }})\n"
        f")(db.getSiblingDB({json.dumps(AUTHENTICATION)}), {json.dumps(user(service))}, {given});\n"
    )


def main(services: Sequence[str]) -> None:
    """Print the script for these services; for all where none is named."""
    from deploy.catalog import service_names

    for service in services or service_names():
        print(script(service), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
