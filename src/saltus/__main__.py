"""`python -m saltus` is `saltus`."""

from saltus.cli.app import main

raise SystemExit(main())
