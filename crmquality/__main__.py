"""`python -m crmquality` is the command `crmquality`."""

import sys

from crmquality.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
