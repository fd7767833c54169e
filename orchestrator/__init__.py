"""The plane that decides: what a person types, what is planned, who trains what, what has happened."""
