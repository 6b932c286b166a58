"""Which call takes out what another put in."""

from __future__ import annotations

import pytest

from leakaudit.facts.holders.subscribing import FORGETTING, undoes


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("unsubscribe", "subscribe"),
        ("off", "on"),
        ("remove_listener", "add_listener"),
        ("remove_listener", "on"),
        ("unregister_state_callback", "register_state_callback"),
        ("remove_update_listener", "add_update_listener"),
        ("removeHandler", "addHandler"),
        ("deregister", "register"),
        ("remove_on_connect", "on_connect"),
        ("clear_callbacks", "register_callback"),
    ],
)
def test_what_undoes_it(name: str, verb: str) -> None:
    assert undoes(name, verb)


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("pop", "register_after_fork"),
        ("close", "subscribe"),
        ("send", "on_connect"),
        ("on_connect", "on_connect"),
        ("remove_node", "add_listener"),
        ("", "on"),
    ],
)
def test_what_does_not(name: str, verb: str) -> None:
    assert not undoes(name, verb)


@pytest.mark.parametrize("name", ["call_later", "add_done_callback", "add_argument", "set_result", "append"])
def test_calls_that_only_look_like_registrations(name: str) -> None:
    assert FORGETTING.match(name)
