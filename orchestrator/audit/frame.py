"""What the page of a report may do in the frame of another page, such as the dashboard or a notebook.

It has its scripts within, and its charts compile expressions. It may do nothing but show itself, save its charts and
follow its links.
"""

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
SANDBOX = "allow-scripts allow-downloads allow-popups"
