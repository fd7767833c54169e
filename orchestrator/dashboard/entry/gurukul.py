"""What Streamlit runs for every look: alone in its folder, because a folder `pages` beside it would mean something."""

from orchestrator.dashboard.app import main

main()
