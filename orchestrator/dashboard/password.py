"""Checks the password, if the environment sets one."""

import hmac
import threading
import time

import streamlit as st

OPEN = "unlocked"
# Seconds that each guess takes; guesses of all browsers wait in one queue.
WRONG_S = 1.0


def locked(password: str) -> bool:
    """Whether this session has yet to give `password`; shows the form that asks for it."""
    if st.session_state.get(OPEN):
        return False
    with st.container(key="gate", width=360), st.form("password", border=False):
        st.title("Gurukul")
        entered = st.text_input("Password", type="password", autocomplete="current-password")
        pressed = st.form_submit_button("Open", type="primary")
    if not pressed:
        return True
    if not is_password(entered or "", password):
        with _line():
            time.sleep(WRONG_S)
        st.error("That is not the password.")
        return True
    st.session_state[OPEN] = True
    st.rerun()


def is_password(entered: str, password: str) -> bool:
    """Compare two passwords in a time that does not depend on where they differ."""
    return hmac.compare_digest(entered.encode(), password.encode())


@st.cache_resource
def _line() -> threading.Lock:
    return threading.Lock()
