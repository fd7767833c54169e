"""A process that dies at its Nth call of the functions that a test names."""

# The first lines of a program. Its first argument is N, which is removed from the arguments.
DEADLY = """
import os, sys
from pathlib import Path
left = int(sys.argv.pop(1))
def deadly(call):
    def wrapped(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        return call(*arguments, **named)
    return wrapped
"""
