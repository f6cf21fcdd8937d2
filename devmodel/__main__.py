# SPDX-License-Identifier: GPL-2.0-only
"""The card process: ``python -m devmodel [--card NAME] --config-fd N``, started by a runner, or
``--socket PATH``, started by hand for whatever guest comes (devmodel.by_hand).

Exit codes: 0 the guest's side closed or quit, 1 violations with --strict, 2 usage, 3
unusable configuration, 4 bug of the card
(traceback on stderr), 5 the peer broke the protocol, 6 memory that the peer shared is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from devmodel import __version__, by_hand
from devmodel.app import App
from devmodel.cards import CARDS, DEFAULT_CARD, load_card
from devmodel.config import Config, ConfigError
from devmodel.confine import confine
from devmodel.control import BadParams
from devmodel.errors import ProtocolError
from devmodel.lost_memory import end_on_lost_memory
from devmodel.news import News, NewsPipe

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
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--config-fd", type=int, help="for a runner: descriptor to read JSON from")
    parser.add_argument(
        "--card",
        default=DEFAULT_CARD,
        help=f"{', '.join(CARDS)} (default: {DEFAULT_CARD}), or package.module:function",
    )
    by_hand.add_arguments(parser)
    arguments = parser.parse_args()
    if (arguments.config_fd is None) == (arguments.socket is None):
        parser.error("one of --socket and --config-fd must be given")
    signal.signal(signal.SIGTERM, _terminate)
    if arguments.socket is not None:
        signal.signal(signal.SIGINT, _terminate)
        return _run(lambda: by_hand.start(arguments), arguments.card, by_hand.conclude(arguments))
    # Ctrl-C goes to the whole process group; the runner decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _run(lambda: _handed_over(arguments.config_fd), arguments.card, lambda app: 0)


def _handed_over(config_fd: int) -> tuple[Config, News | None]:
    with os.fdopen(config_fd, encoding="utf-8") as file:
        config = Config.parse(file.read())
    return config, None if config.news_fd is None else News(NewsPipe(config.news_fd).tell)


def _run(
    configure: Callable[[], tuple[Config, News | None]], card: str, conclude: Callable[[App], int]
) -> int:
    """Serve until the end. Returns the exit code; ``conclude`` gives that of a good end."""
    try:
        config, news = configure()
        app = App(config, load_card(card), news)
        if config.plan is not None:
            app.request("faults_arm", {"plan": config.plan})
    except (ConfigError, BadParams, OSError, UnicodeDecodeError) as e:
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
    except SystemExit:
        pass  # SIGTERM: the guest's side was left gracefully
    except Exception:  # noqa: BLE001 - whatever leaves the card is its bug; say so and end
        traceback.print_exc()
        return EXIT_BUG
    return conclude(app)


def _terminate(number: int, frame: FrameType | None) -> None:
    """SIGTERM: unwind, so that the guest's side is left gracefully."""
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
