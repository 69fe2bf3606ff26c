import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.links import BadLink, ExpiredLink, Signer

KEYS = "k1:an-invented-secret-of-length"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SUBJECT = "0d5cf31e-9f0e-4a3c-8a71-0e6c6a3b7c55"


@pytest.fixture
def signer():
    return Signer(KEYS)


@pytest.mark.parametrize("subject", [SUBJECT, SUBJECT.upper(), "", "kampagne/æøå", "x" * 300])
@pytest.mark.parametrize("expires", [None, LATER])
def test_what_was_signed_is_what_is_verified(signer, subject, expires):
    assert signer.verify("confirm", signer.sign("confirm", subject, expires), NOW) == subject


def test_a_token_is_short_and_survives_mail_programs(signer):
    for _ in range(300):
        token = signer.sign("confirm", str(uuid.uuid4()), LATER)
        assert len(token) <= 56
        assert token[-1].isalnum()
        assert token.replace("-", "").replace("_", "").isalnum()


def test_a_changed_token_is_refused(signer):
    token = signer.sign("confirm", SUBJECT, LATER)
    for place, was in enumerate(token):
        changed = token[:place] + ("A" if was != "A" else "B") + token[place + 1 :]
        with pytest.raises(BadLink):
            signer.verify("confirm", changed, NOW)


def test_every_bit_counts(signer):
    raw = urlsafe_b64decode(signer.sign("confirm", SUBJECT) + "==")
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadLink):
            signer.verify("confirm", urlsafe_b64encode(changed).rstrip(b"=").decode(), NOW)


def test_there_is_one_spelling_only(signer):
    token = signer.sign("confirm", "ab")
    for spelt in (token + "=", token + "\n", " " + token, token[:5] + "!" + token[5:], token + "A"):
        with pytest.raises(BadLink):
            signer.verify("confirm", spelt, NOW)


def test_a_token_is_good_for_its_purpose_only(signer):
    token = signer.sign("unsubscribe", SUBJECT, LATER)
    with pytest.raises(BadLink):
        signer.verify("confirm", token, NOW)


def test_an_expired_token_says_so_from_the_second_on(signer):
    token = signer.sign("confirm", SUBJECT, LATER)
    assert signer.verify("confirm", token, LATER - timedelta(seconds=1)) == SUBJECT
    with pytest.raises(ExpiredLink) as expired:
        signer.verify("confirm", token, LATER)
    assert (expired.value.subject, expired.value.expired) == (SUBJECT, LATER)


def test_a_forged_expiry_is_bad_and_not_expired(signer):
    forged = Signer("k1:another-invented-secret").sign("confirm", SUBJECT, NOW - timedelta(days=1))
    with pytest.raises(BadLink) as refused:
        signer.verify("confirm", forged, NOW)
    assert not isinstance(refused.value, ExpiredLink)


def test_keys_are_rotated():
    old = Signer(KEYS)
    both = Signer("k2:the-new-invented-secret, " + KEYS)
    new = Signer("k2:the-new-invented-secret")
    before, after = old.sign("confirm", SUBJECT), both.sign("confirm", SUBJECT)
    assert both.verify("confirm", before, NOW) == new.verify("confirm", after, NOW) == SUBJECT
    for signer, token in ((new, before), (old, after)):
        with pytest.raises(BadLink):
            signer.verify("confirm", token, NOW)


@given(st.one_of(st.text(), st.binary().map(lambda raw: urlsafe_b64encode(raw).rstrip(b"=").decode())))
def test_whatever_is_sent_in_only_bad_link_comes_out(token):
    with pytest.raises(BadLink):
        Signer(KEYS).verify("confirm", token, NOW)


@pytest.mark.parametrize("keys", ["", "k1", "k1:short", ":an-invented-secret-of-length", f"{KEYS},{KEYS}", f"{KEYS},"])
def test_bad_keys_are_refused_without_repeating_them(keys):
    with pytest.raises(ValueError, match=r"key \d") as refused:
        Signer(keys)
    assert "secret-of-length" not in str(refused.value)
