"""Judgement of a run: from its stored predictions to scores, trading results and gates."""
