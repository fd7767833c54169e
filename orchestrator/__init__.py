"""The plane that decides: commands, plans, dispatch of work to devices, and the record of a run."""
