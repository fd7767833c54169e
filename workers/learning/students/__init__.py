"""The kinds of student, each a fit on soft labels that gives a margin (a logit) a row."""
