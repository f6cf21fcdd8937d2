# SPDX-License-Identifier: GPL-2.0-only
"""Whether lab.toml and the machine agree, and what the machine is able to do."""

from __future__ import annotations

from testbed.dut.protocols import Capability, Endpoint
from testbed.engines.lab.config import Disturb, LabDut
from testbed.engines.lab.ssh import SshConnection
from testbed.errors import EnvironmentProblem, UsageProblem

CARD_ONLY = frozenset(
    {
        Capability.CARD_STATE, Capability.FAULTS, Capability.WIRE_TRUTH, Capability.IOMMU,
        Capability.STOCK_MODULE, Capability.CHOSEN_CARD, Capability.FATAL_FAULTS,
    }
)  # fmt: skip
"""What only an emulated card can offer, whatever the machine."""

PERMISSIONS = {
    Disturb.LINK: Capability.LINK_CYCLE,
    Disturb.DRIVER: Capability.DRIVER_RELOAD,
    Disturb.RESET: Capability.DEVICE_RESET,
    Disturb.SYSCTLS: Capability.SYSCTLS,
}

# $1 interface; prints "KEY value" lines. An interface is what SSH runs over if packets to the
# client leave through it, if it has the server's address, or if one of these lies on top of it.
_LOOK = """
echo "address $(basename "$(readlink -f "/sys/class/net/$1/device" 2>/dev/null)")"
echo "driver $(basename "$(readlink -f "/sys/class/net/$1/device/driver" 2>/dev/null)")"
echo "user $(id -u)"
echo "release $(uname -r)"
echo "build $(uname -v)"
echo "xdp $(ip -d link show dev "$1" 2>/dev/null | grep -c prog/xdp)"
set -- $SSH_CONNECTION
client=${1-} server=${3-}
below() {
    echo "ssh $1"
    for path in /sys/class/net/"$1"/lower_*; do
        [ ! -e "$path" ] || below "${path##*/lower_}"
    done
}
for name in $(ip -o route get "$client" 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p') \\
        $(ip -o address show to "$server" 2>/dev/null | sed 's/^[0-9]*: *\\([^ @]*\\).*/\\1/'); do
    below "$name"
done
"""


async def look_at(connection: SshConnection, interface: str) -> dict[str, list[str]]:
    """Facts about an interface and the way SSH takes. Raises EnvironmentProblem."""
    # whoever becomes another user loses the variable
    script = f'SSH_CONNECTION="$2"; export SSH_CONNECTION; set -- "$1"; {_LOOK}'
    way = await connection.login_shell('printf %s "$SSH_CONNECTION"')
    result = await connection.run_script(script, interface, way.stdout)
    facts: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        key, _, value = line.partition(" ")
        facts.setdefault(key, []).append(value)
    return facts


def refuse_own_way(name: str, interface: str, facts: dict[str, list[str]]) -> None:
    """Raise UsageProblem if SSH itself runs over ``interface``, or if nobody can tell."""
    over = facts.get("ssh", [])
    if not over:
        raise EnvironmentProblem(
            f"{name}: cannot tell which interface SSH runs over (SSH_CONNECTION says nothing)",
            remedy="log in through a network interface of the machine",
        )
    if interface in over:
        raise UsageProblem(
            f"{name}: SSH itself runs over {interface} ({' on '.join(dict.fromkeys(over))}):"
            " it is left alone",
            remedy="name another interface in lab.toml, or log in through another one",
        )


def refuse_wrong_machine(dut: LabDut, facts: dict[str, list[str]]) -> None:
    """Raise UsageProblem, EnvironmentProblem if the machine is not what lab.toml says."""
    found = {key: values[0] for key, values in facts.items()}
    if found.get("user") != "0":
        raise EnvironmentProblem(
            f"{dut.login.host}: commands run as user {found.get('user')}, not as root",
            remedy='log in as root, or have lab.toml say become = ["sudo", "-n"]',
        )
    for what, expected, is_there in (
        ("driver", dut.driver, found.get("driver", "")),
        ("PCI address", dut.pci_address, found.get("address", "")),
    ):
        if expected != is_there:
            raise UsageProblem(
                f"{dut.name}: the {what} of {dut.interface} is {is_there or 'nowhere'},"
                f" lab.toml says {expected}: it is left alone",
                remedy="correct lab.toml",
            )
    if found.get("xdp") != "0":
        raise UsageProblem(
            f"{dut.name}: {dut.interface} has an XDP program, which cannot be put back",
            remedy="detach it first",
        )


def offered(dut: LabDut) -> frozenset[Capability]:
    """What set-up and permissions allow, before machine and kernel are asked."""
    forbidden = {need for what, need in PERMISSIONS.items() if what not in dut.disturb}
    return frozenset(Capability) - CARD_ONLY - forbidden


def card_facts(end: Endpoint) -> dict[str, str]:
    """What the driver says of itself and its card, for a report; empty if it says nothing."""
    said = end.run(["ethtool", "-i", end.netdev], check=False).text.splitlines()
    found = dict(line.split(": ", 1) for line in said if ": " in line)
    known = {"driver": "driver", "version": "driver version", "firmware-version": "firmware"}
    return {name: found[key] for key, name in known.items() if found.get(key, "").strip()}


# $1 interface
_ABLE = """
[ "$(nproc)" -gt 1 ] || echo SMP
[ -w /proc/sys/vm/nr_hugepages ] || echo HUGE_PAGES
features=$(ethtool -k "$1")
echo "$features" | grep -q '^ntuple-filters: on\\|^ntuple-filters: off$' || echo NTUPLE
echo "$features" | grep -q '^rx-gro-hw: on\\|^rx-gro-hw: off$' || echo HW_GRO
ethtool -x "$1" >/dev/null 2>&1 || echo RSS
"""


def lacking_on_machine(end: Endpoint) -> frozenset[Capability]:
    """Capabilities that other machines or cards have, but these have not."""
    names = end.run(["sh", "-c", _ABLE, "sh", end.netdev]).text.split()
    return frozenset(Capability[name] for name in names)
