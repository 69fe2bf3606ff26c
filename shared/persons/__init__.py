"""Erasure and access (GDPR art. 15 and 17): what all services do alike.

mentions.py    where an address stands in a message, a document, a text
erased.py      who was erased, by keyed id: what is older and comes later has no effect any more
held.py        what a service declares: where it keeps persons, and what becomes of them
erasing.py     takes a person out of a store
exporting.py   tells what is kept of a person
told.py        what the log of all events tells of erasures, for replays
asking.py      asks all services, for operators
broker.py      takes a person out of the queues where messages wait, for operators
"""
