"""MongoDB as a store, through motor: the store of production.

- store.py: MongoStore, the port
- driver.py: the client and what its errors mean
- indexes.py: declared indexes as MongoDB's
- queries.py: conditions, order and pages as filters
- bulk.py: many documents in one round trip
- files.py: files in chunks
- snapshot.py: all of it as of one moment

Motor is at its end of life: PyMongo's AsyncMongoClient has the same calls, apart from `await` before `aggregate` and
`close`, so the change stays within this package.
"""

import os

# Each operation waits in one of motor's threads; by default there are five for each processor. Read at motor's import.
os.environ.setdefault("MOTOR_MAX_WORKERS", "64")

from shared.store.mongo.store import MongoStore

__all__ = ["MongoStore"]
