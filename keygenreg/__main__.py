"""``python -m keygenreg``: the console command."""

from keygenreg.command.group import main

if __name__ == "__main__":
    main()
