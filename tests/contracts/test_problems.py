"""A problem tells which field is wrong and why, and never repeats what was sent."""

import pytest
from pydantic import BaseModel, ValidationError

from shared.contracts.base import Problem, Reply
from shared.contracts.events import AnnounceEvent, SignUp
from shared.contracts.examples import example_data
from shared.contracts.notifications import Subscribe
from shared.contracts.problems import Conflict, Forbidden, Invalid, NotFound, Refused
from shared.contracts.procurement import PublishDemand
from shared.contracts.supplier import RegisterSupplier


def refusal(model: type[BaseModel], **wrong: object) -> Invalid:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(example_data(model) | wrong)
    return Invalid.of(caught.value)


SECRET = "Sekretesse"


@pytest.mark.parametrize(
    ("model", "wrong", "field"),
    [
        (RegisterSupplier, {"cvr": f"{SECRET} 1"}, "cvr"),
        (RegisterSupplier, {"cvr": 13585628}, "cvr"),
        (RegisterSupplier, {"municipality": SECRET}, "municipality"),
        (RegisterSupplier, {"email": f"{SECRET} <a@b.example>"}, "email"),
        (RegisterSupplier, {"name": f"{SECRET} 010190-1234"}, "name"),
        (RegisterSupplier, {"name": [SECRET]}, "name"),
        (RegisterSupplier, {"offerings": []}, "offerings"),
        (RegisterSupplier, {"offerings": SECRET}, "offerings"),
        (RegisterSupplier, {"offerings": [{"title": "Rengøring", "cpv": SECRET}]}, "offerings.0.cpv"),
        (RegisterSupplier, {"offerings": [{"title": "Rengøring", "colour": SECRET}]}, "offerings.0.colour"),
        (RegisterSupplier, {"colour": SECRET}, "colour"),
        (RegisterSupplier, {"website": f"javascript:{SECRET}"}, "website"),
        (RegisterSupplier, {"language": SECRET}, "language"),
        (PublishDemand, {"deadline": SECRET}, "deadline"),
        (PublishDemand, {"deadline": "2027-03-01T12:00:00"}, "deadline"),
        (PublishDemand, {"buyer": {"name": SECRET}}, "buyer.cvr"),
        (PublishDemand, {"cpv": ["90910000", SECRET]}, "cpv.1"),
        (AnnounceEvent, {"starts_at": f"{SECRET}T14:00:00"}, "starts_at"),
        (AnnounceEvent, {"timezone": SECRET}, "timezone"),
        (AnnounceEvent, {"capacity_online": SECRET}, "capacity_online"),
        (AnnounceEvent, {"place": SECRET}, "place"),
        (SignUp, {"event_id": f"{SECRET} {SECRET}"}, "event_id"),
        (SignUp, {"attendance": SECRET}, "attendance"),
        (Subscribe, {"topics": ["newsletter", SECRET]}, "topics.1"),
    ],
)
def test_the_field_is_named_and_the_value_is_not(model: type[BaseModel], wrong: dict[str, object], field: str):
    problem = refusal(model, **wrong).problem()
    assert problem.status == 422
    assert field in [error.field for error in problem.errors]
    assert field in problem.detail
    assert SECRET.lower() not in problem.model_dump_json().lower()
    assert "010190" not in problem.model_dump_json()


def test_all_wrong_fields_are_named():
    problem = refusal(RegisterSupplier, cvr="1", municipality="1", email="1", colour="1").problem()
    assert {error.field for error in problem.errors} == {"cvr", "municipality", "email", "colour"}
    assert all(error.message and not error.message.startswith("Value error") for error in problem.errors)


def test_a_problem_stays_small():
    wrong: dict[str, object] = {f"{'x' * 10_000}{n}": 1 for n in range(100)}
    assert len(refusal(RegisterSupplier, **wrong).problem().model_dump_json()) < 50_000


def test_what_is_no_object_at_all():
    with pytest.raises(ValidationError) as caught:
        RegisterSupplier.model_validate([SECRET])
    (error,) = Invalid.of(caught.value).problem().errors
    assert error.field == "(message)"
    assert SECRET not in error.message


@pytest.mark.parametrize(
    ("kind", "status"), [(Refused, 400), (Invalid, 422), (NotFound, 404), (Conflict, 409), (Forbidden, 403)]
)
def test_status(kind: type[Refused], status: int):
    problem = kind("Because.").problem()
    assert (problem.status, problem.detail) == (status, "Because.")
    assert problem.type.startswith("https://")
    assert problem.title


def test_a_refusal_as_reply_and_back():
    reply = Reply.refused(Invalid.field("starts_at", "is past").problem())
    again = Reply.model_validate_json(reply.to_json())
    assert again == reply
    assert isinstance(again.problem, Problem)
    assert again.problem.errors[0].field == "starts_at"
