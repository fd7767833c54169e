"""What is done with a deployed student: ask it. Numpy and pyarrow alone, unless a student is a booster."""
