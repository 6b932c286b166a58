"""`python -m leakaudit`."""

from leakaudit.cli.main import main

if __name__ == "__main__":
    main()
