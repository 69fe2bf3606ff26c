"""Many documents in one round trip."""

from collections.abc import Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from shared.store.errors import Unavailable
from shared.store.mongo.driver import answers, meaning, taken_index
from shared.store.port import PENDING, PENDING_LISTS, Document, Put, Trim

_DUPLICATE = 11000


async def get_many(target: "AsyncIOMotorCollection[Document]", ids: Sequence[str]) -> dict[str, Document]:
    """Those that there are, by id."""
    with answers(target.name):
        return {document["_id"]: document async for document in target.find({"_id": {"$in": list(ids)}})}


async def insert_many(target: "AsyncIOMotorCollection[Document]", documents: Sequence[Document]) -> list[str]:
    """Insert what can be; the ids of those left out."""
    if not documents:
        return []
    taken: dict[int, str] = {}
    with answers(target.name):
        try:
            await target.insert_many(documents, ordered=False)
        except BulkWriteError as partly:
            taken = _taken(target.name, partly)
    return [documents[place]["_id"] for place in sorted(taken)]


async def put(target: "AsyncIOMotorCollection[Document]", puts: Sequence[Put]) -> list[bool]:
    """Keyed writes; for each, whether it took effect.

    An upsert whose filter does not fit tries to insert; the id that is taken then says that the stored version is as
    high, or that another one inserted a lower version in the same moment: that one is tried again.
    """
    done = [True] * len(puts)
    waiting = list(range(len(puts)))
    while waiting:
        taken = await _write(target, [_upsert(puts[place]) for place in waiting])
        for position in taken:
            done[waiting[position]] = False
        raced = [waiting[position] for position, index in taken.items() if index == "_id"]
        waiting = await _still_lower(target, puts, raced)
        for place in waiting:
            done[place] = True
    return done


async def trim(target: "AsyncIOMotorCollection[Document]", trims: Sequence[Trim]) -> None:
    """Take elements out; in the same round trip, unset the mark where nothing is left."""
    operations = []
    for each in trims:
        pull = {name: {"id": {"$in": list(ids)}} for name, ids in each.pull.items() if ids}
        empty: Document = {name: {"$in": [None, []]} for name in PENDING_LISTS}
        if pull:
            operations.append(UpdateOne({"_id": each.id}, {"$pull": pull}))
        operations.append(UpdateOne({"_id": each.id, **empty}, {"$unset": {PENDING: ""}}))
    if operations:
        with answers(target.name):
            await target.bulk_write(operations, ordered=True)


def changing(fields: Document, push: Mapping[str, Sequence[Document]]) -> Document:
    """The update that sets fields and appends to arrays."""
    change: Document = {"$set": {name: value for name, value in fields.items() if name != PENDING}}
    if PENDING in fields:
        change["$min"] = {PENDING: fields[PENDING]}
    if push:
        change["$push"] = {name: {"$each": list(elements)} for name, elements in push.items()}
    return change


def _upsert(put: Put) -> UpdateOne:
    change = changing(put.fields, put.push)
    return UpdateOne({"_id": put.id, "version": {"$lt": put.fields["version"]}}, change, upsert=True)


async def _write(target: "AsyncIOMotorCollection[Document]", operations: list[UpdateOne]) -> dict[int, str]:
    with answers(target.name):
        try:
            await target.bulk_write(operations, ordered=False)
        except BulkWriteError as partly:
            return _taken(target.name, partly)
    return {}


async def _still_lower(target: "AsyncIOMotorCollection[Document]", puts: Sequence[Put], places: list[int]) -> list[int]:
    if not places:
        return []
    with answers(target.name):
        found = target.find({"_id": {"$in": [puts[place].id for place in places]}}, {"version": 1})
        stored = {document["_id"]: document.get("version") async for document in found}
    lower = []
    for place in places:
        version: Any = stored.get(puts[place].id)
        if isinstance(version, int | float) and version < puts[place].fields["version"]:
            lower.append(place)
    return lower


def _taken(collection: str, partly: BulkWriteError) -> dict[int, str]:
    """Place in the bulk -> the index that was taken. Any other trouble is raised."""
    details: Any = partly.details
    for problem in details["writeErrors"]:
        if problem["code"] != _DUPLICATE:
            raise meaning(problem["code"])(f"{collection}: {problem['errmsg']}") from partly
    if details["writeConcernErrors"]:
        raise Unavailable(f"{collection}: {details['writeConcernErrors'][0].get('errmsg')}") from partly
    return {problem["index"]: taken_index(problem["errmsg"]) for problem in details["writeErrors"]}
