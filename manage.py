"""Django's command line for the hub: `manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
    from hub.env import BadEnvironment, adopt

    adopt()

    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except BadEnvironment as error:
        sys.exit(f"trunkline: {error}")


if __name__ == "__main__":
    main()
