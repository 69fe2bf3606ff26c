import sys

from shared.cli.commands import main

sys.exit(main(sys.argv[1:]))
