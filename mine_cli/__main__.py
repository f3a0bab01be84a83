"""`python -m mine_cli` is `mine-run`."""

from mine_cli.cli import main

if __name__ == "__main__":
    main()
