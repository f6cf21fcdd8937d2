# SPDX-License-Identifier: GPL-2.0-only
"""The card process: ``python -m devmodel [--card NAME] --config-fd N``.

Exit codes: 0 the guest's side closed or quit, 3 unusable configuration, 4 bug of the card
(traceback on stderr), 5 the peer broke the protocol, 6 memory that the peer shared is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from types import FrameType

from devmodel.app import App
from devmodel.cards import CARDS, DEFAULT_CARD, load_card
from devmodel.config import Config, ConfigError
from devmodel.confine import confine
from devmodel.errors import ProtocolError
from devmodel.lost_memory import end_on_lost_memory

EXIT_CONFIG = 3
EXIT_BUG = 4
EXIT_PROTOCOL = 5
EXIT_MEMORY = 6


def main() -> int:
    """Run the card. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="devmodel",
        description="A network card for QEMU (vfio-user) and User Mode Linux (vhost-user).",
    )
    parser.add_argument("--config-fd", type=int, required=True, help="descriptor to read JSON from")
    parser.add_argument(
        "--card",
        default=DEFAULT_CARD,
        help=f"{', '.join(CARDS)} (default: {DEFAULT_CARD}), or package.module:function",
    )
    arguments = parser.parse_args()
    # Ctrl-C goes to the whole process group; the runner decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with os.fdopen(arguments.config_fd, encoding="utf-8") as file:
            config = Config.parse(file.read())
        app = App(config, load_card(arguments.card))
    except (ConfigError, OSError, UnicodeDecodeError) as e:
        print(f"devmodel: {e}", file=sys.stderr)
        return EXIT_CONFIG
    except Exception:  # noqa: BLE001 - a card that cannot be built is a bug of the card, too
        traceback.print_exc()
        return EXIT_BUG
    end_on_lost_memory(EXIT_MEMORY, app.save)
    try:
        if config.confine:
            app.trace.remark("confined", **confine(config.cpu_seconds))
        app.run()
    except ProtocolError as e:
        print(f"devmodel: the vfio-user client broke the protocol: {e}", file=sys.stderr)
        return EXIT_PROTOCOL
    except Exception:  # noqa: BLE001 - whatever leaves the card is its bug; say so and end
        traceback.print_exc()
        return EXIT_BUG
    return 0


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM: unwind, so that the guest's side is left gracefully."""
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
