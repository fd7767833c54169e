"""The script that Streamlit runs; alone in its folder, because Streamlit would read a folder `pages` beside it."""

from orchestrator.dashboard.app import main

main()
