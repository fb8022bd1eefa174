"""The console command ``keygenreg``: one module for each subcommand."""
