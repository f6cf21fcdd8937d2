# SPDX-License-Identifier: GPL-2.0-only
"""A machine of a lab, as the stand-in plays it: what is refused, and that it is left as found."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.engines.lab.config import COMMANDS_VARIABLE
from testbed.engines.lab.guard import RESTORE, GuardedInterface
from testbed.engines.stand_in import DUT_NAME, StandIn
from testbed.errors import ExitCode
from testbed.options import RunOptions

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 900
RESTORE_TIMEOUT_S = 300
START_TIMEOUT_S = 600
KILL_SEED = 20261120
DISTURBING = [  # each changes other settings of the interface
    "tests/suite/zcrx/test_receive.py",
    "tests/suite/steering",
    "tests/suite/link/test_link.py::test_module_cycles_20",
    "tests/suite/rings",
]
MOST_SECONDS = 25.0
STATE_FILE = "interface-remote.txt"  # there once all is saved, and the tests begin

# By the usual programs, and through the agent: nothing of what is under test takes part. What a
# reload numbers again, and counts, is left out.
_LOOK = """
for option in -g -l -c -a -k -n -x; do ethtool $option "$1" 2>&1; done
for type in tcp4 udp4 tcp6 udp6; do ethtool -n "$1" rx-flow-hash $type; done
for end in "$1" "ip netns exec peer:peer0"; do
    case $end in *:*) prefix=${end%:*} name=${end#*:} ;; *) prefix='' name=$end ;; esac
    $prefix ip link show dev $name | sed 's/^[0-9]*: //'
    until [ -z "$($prefix ip address show dev $name tentative)" ]; do sleep 0.1; done
    $prefix ip -o address show dev $name | sed 's/^[0-9]*: //; s/ proto [^ ]*//; s/ nodad//' | sort
    $prefix ip route show dev $name
    $prefix ip -6 route show dev $name | sort
    $prefix ip neighbour show dev $name nud permanent
done
sysctl -a -r 'net.ipv[46].conf.nut0' vm.nr_hugepages 2>/dev/null | grep -v stable_secret
for lock in /var/tmp/testbed-lab-*/lock; do ls -d "${lock%/*}/saved" 2>/dev/null; done
ps -eo args | grep -E 'zcrx_rx|stream_[rt]x|lab_' | grep -v grep
"""
# A folder without a lock never had a state guard: its session has changed nothing.
_FOLDERS = "ls -d /var/tmp/testbed-lab-*/lock 2>/dev/null; pgrep lab_guard; true"


# In a network namespace of its own, on any machine: a veth pair. $1: folder with restore.sh
_UPSET = """
set -e
ip link set lo up
ip link add d0 type veth peer name d1
ip link set d1 up
ip link set d0 up
ip address add 192.0.2.1/24 dev d0
ip address add 198.51.100.7/24 brd + dev d0 label d0:x
ip address add 2001:db8::1/64 dev d0 nodad
ip route add 203.0.113.0/24 via 192.0.2.9 dev d0 metric 7
ip -6 route add 2001:db8:7::/64 via 2001:db8::9 dev d0
ip neighbour add 192.0.2.77 lladdr 02:00:00:00:00:01 nud permanent dev d0
until [ -z "$(ip address show dev d0 tentative)" ]; do sleep 0.1; done
look() {
    ip -o address show dev d0 | sed 's/ nodad//' | sort
    ip route; ip -6 route | sort; ip neighbour show nud permanent
    ip link show d0 | sed 's/state [A-Z]*//'
    cat /proc/sys/net/ipv4/conf/d0/rp_filter
}
look >"$1.before"
sh "$1/restore.sh" "$1" save >/dev/null
ip address flush dev d0
ip neighbour flush dev d0 nud permanent
ip link set d0 down
ip link set d0 mtu 4000 address 02:11:22:33:44:55 promisc on
ip address add 10.0.0.1/8 dev d0
echo 2 >/proc/sys/net/ipv4/conf/d0/rp_filter
sh "$1/restore.sh" "$1"
[ ! -e "$1" ]
look >"$1.after"
"""


def test_restore_needs_no_driver_of_ours(tmp_path: Path) -> None:
    """Addresses, routes, neighbours, sysctls and link settings come back on any interface."""
    folder = tmp_path / "state"
    (folder / "bin").mkdir(parents=True)
    for program in Artifacts().lab_programs():
        if program.name.startswith("lab_"):
            shutil.copy(program, folder / "bin")
    shutil.copy(RESTORE, folder)
    (folder / "settings").write_text(
        GuardedInterface(interface="d0", folder="", lease_s=1).settings()
    )
    words = ["unshare", "--map-root-user", "--net", "sh", "-c", _UPSET, "sh", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "restored", done.stdout + done.stderr
    before, after = (Path(f"{folder}.{name}").read_text() for name in ("before", "after"))
    assert after == before


@dataclass
class Stand:
    """The stand-in, and ways to look at it that are not SSH."""

    session: StandIn
    folder: Path

    def look(self) -> str:
        """All settings of both interfaces, and what was left on the machine."""
        done = self.session.dut.run(["sh", "-c", _LOOK, "sh", self.session.dut.netdev], check=False)
        return done.text

    def await_free(self) -> None:
        """Wait until no session holds the machine, and none is being undone."""
        deadline = time.monotonic() + RESTORE_TIMEOUT_S
        while left := self.session.dut.run(["sh", "-c", _FOLDERS]).text:
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(1)

    def start(self, *words: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a Python module; its output is a pipe of lines, or goes to ``stdout``."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), COMMANDS_VARIABLE: "1"}
        # whoever runs us in the background may have SIGINT ignored
        python = ["env", "--default-signal=INT", sys.executable, "-u", "-P"]
        return subprocess.Popen(
            [*python, "-m", *words], cwd=ROOT, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        """Run a Python module to its end."""
        process = self.start(*words)
        output, _ = process.communicate(timeout=COMMAND_TIMEOUT_S)
        return process.returncode, output

    def suite(self, *words: str) -> list[str]:
        """The words that run tests of the suite on the stand-in."""
        lab = ["--testbed-lab", str(self.session.lab_file), "--testbed-dut", DUT_NAME]
        return ["pytest", "-v", *lab, "--testbed-run-dir", str(self.folder / "runs"), *words]

    def lab_file(self, pattern: str, replacement: str) -> Path:
        """A copy of lab.toml with one line changed, beside it."""
        text = self.session.lab_file.read_text()
        changed = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
        assert changed != text
        file = self.session.lab_file.with_name("changed.toml")
        file.write_text(changed)
        return file


@pytest.fixture(scope="module")
def stand(
    artefacts: tuple[RunOptions, Prepared], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stand]:
    options, prepared = artefacts
    folder = tmp_path_factory.mktemp("lab")
    with StandIn(replace(options, memory_mib=2048), folder, prepared) as session:
        yield Stand(session, folder)


def check(stand: Stand, lab: Path) -> tuple[int, str]:
    words = ["lab", "check", "--lab", str(lab), "--run-dir", str(stand.folder / "runs")]
    return stand.run("testbed", *words)


def test_check_leaves_everything_as_it_was(stand: Stand) -> None:
    """`testbed lab check` names what the machine is able to do, and what only a model can."""
    before = stand.look()
    code, output = check(stand, stand.session.lab_file)
    assert code == ExitCode.PASS, output
    assert "has   zero-copy receive" in output
    assert "has   permission to reload the driver" in output
    assert "scripted faults" not in output
    assert stand.look() == before


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        ('^interface = "nut0"', 'interface = "mgmt0"', "SSH itself runs over mgmt0"),
        ("^pci_address = .*", 'pci_address = "0000:00:1f.2"', "the PCI address of nut0 is"),
        ("^disturb = .*", 'driver = "ice"', "the driver of nut0 is bnxt_en"),
        ("^disturb = .*", 'disturb = ["power"]', "allowed: link, driver, reset, sysctls"),
    ],
    ids=["own way", "address", "driver", "permission"],
)
def test_refusals(stand: Stand, pattern: str, replacement: str, complaint: str) -> None:
    """What lab.toml must not name is refused before anything is touched."""
    before = stand.look()
    code, output = check(stand, stand.lab_file(pattern, replacement))
    assert code == ExitCode.USAGE, output
    assert complaint in " ".join(output.split())
    assert stand.look() == before


def test_tests_pass_over_ssh(stand: Stand) -> None:
    """Zero-copy receive, and a test whose permission is lacking is a declared skip."""
    before = stand.look()
    lab = stand.lab_file("^disturb = .*", "disturb = []")
    words = stand.suite(
        "tests/suite/zcrx/test_receive.py", "tests/suite/link", "-k", "IPv4 or cycles", "-rs"
    )
    words[words.index("--testbed-lab") + 1] = str(lab)
    code, output = stand.run(*words)
    assert code == 0, output
    assert "requires permission to reload the driver" in output
    assert stand.look() == before


def kill_at_random(stand: Stand, dice: random.Random, number: signal.Signals) -> str:
    """Start tests that disturb, end the runner after a random time; say when that was.

    One time in five the time counts from the start of the runner, else from that of the tests.
    """
    tests, early = dice.choice(DISTURBING), dice.random() < 0.2
    seconds = dice.uniform(0, MOST_SECONDS)
    before = set(stand.folder.glob(f"runs/*/vm-1/{STATE_FILE}"))
    process = stand.start(*stand.suite(tests), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not early and set(stand.folder.glob(f"runs/*/vm-1/{STATE_FILE}")) <= before:
        assert process.poll() is None, "the runner ended before its first test"
        assert time.monotonic() < deadline, "the session does not come up"
        time.sleep(0.1)
    time.sleep(seconds)
    since = "its start" if early else "the state was saved"
    ended = "" if process.poll() is None else ", when it had ended"
    process.send_signal(number)
    process.wait(RESTORE_TIMEOUT_S)
    return f"{number.name} {seconds:.1f} s after {since}, {tests}{ended}"


def test_interface_is_as_found_after_a_kill(stand: Stand, pytestconfig: pytest.Config) -> None:
    """The runner is killed at random moments; the machine puts its interface back by itself."""
    dice = random.Random(KILL_SEED)
    before = stand.look()
    moments = []
    for turn in range(pytestconfig.getoption("lab_kills")):
        number = signal.SIGINT if turn % 4 == 1 else signal.SIGKILL
        moments.append(kill_at_random(stand, dice, number))
        stand.await_free()
        after = stand.look()
        assert after == before, f"after {moments[-1]}"
        print(moments[-1])
    # a table that a user has set holds on to its queues, and looks like one that nobody has
    few_and_back = 'ethtool -L "$1" combined 1 && ethtool -L "$1" combined 2'
    stand.session.dut.run(["sh", "-c", few_and_back, "sh", stand.session.dut.netdev])
    assert stand.look() == before
