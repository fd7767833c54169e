from workers.cli import cli

cli()
