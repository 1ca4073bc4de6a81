"""``python -m authsvc``: the program ``authsvc``."""

from authsvc.cli.program import main

main()
