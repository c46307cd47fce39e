# SPDX-License-Identifier: GPL-3.0-or-later
"""If these fail, a password or token reaches evidence, a report or a screen."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pitstop.runbook.plugins.module_utils._redact import redacted, redacted_data

PASSWORD = st.text(alphabet=string.ascii_letters + string.digits + "@:%!$*+-_=~.?&#", min_size=4)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://owner:s3cr3t@db.example:5432/invoices", "postgres://owner:***@db.example:5432/invoices"),
        ("postgres://owner:p@ss:w0rd@db.example/x", "postgres://owner:***@db.example/x"),
        ("redis://:s3cr3t@cache.example:6379", "redis://:***@cache.example:6379"),
        ("https://s3cr3t@git.example/a.git", "https://***@git.example/a.git"),
        ("Authorization: Bearer s3cr3t", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic czNjcjN0'}", "{'Authorization': 'Basic ***'}"),
        ("sent bearer s3cr3ts3cr3ts3cr3t to it", "sent bearer *** to it"),
        ("key HRKU-AAs3cr3t_-x was refused", "key HRKU-*** was refused"),
        ("host=db password='s3 cr3t' user=me", "host=db password=*** user=me"),
        ("PGPASSWORD=s3cr3t psql", "PGPASSWORD=*** psql"),
        ("HEROKU_API_KEY=s3cr3t", "HEROKU_API_KEY=***"),
        ('{"password": "s3cr3t", "user": "me"}', '{"password": "***", "user": "me"}'),
    ],
)
def test_a_secret_is_replaced_and_the_rest_is_kept(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "ssh://git@github.example/team/bot.git",
        "postgres://owner@db.example:5432/invoices",
        "http://localhost:8080/orders?mail=someone@example.org",
        "fe_sendauth: no password supplied",
        "UPDATE tenant_folios SET current_number = current_number + 1 WHERE tenant_id = 7",
        "a bearer of news",
    ],
)
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    """A message that loses its host or its statement can no longer be acted on."""
    assert redacted(text) == text


@given(password=PASSWORD)
def test_no_password_survives_in_a_url(password: str) -> None:
    assert redacted(f"no route to postgres://u:{password}@db/x now") == "no route to postgres://u:***@db/x now"


@given(text=st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """Evidence that is read, redacted and written again must not change."""
    assert redacted(redacted(text)) == redacted(text)


def test_nested_data_is_redacted_by_value_and_by_name() -> None:
    data = {"error": ["at postgres://u:s3cr3t@h/d"], "api_key": "s3cr3t", "tokens": 3, "user": "me"}
    assert redacted_data(data) == {
        "error": ["at postgres://u:***@h/d"],
        "api_key": "***",
        "tokens": 3,
        "user": "me",
    }
