# SPDX-License-Identifier: GPL-2.0-only
"""The driver and its interface as a whole: up and down, loaded and unloaded, many times."""

from __future__ import annotations

from testbed.dut.permissions import require_permission
from testbed.dut.protocols import Capability, Dut

CARRIER_TIMEOUT_S = 15
_CYCLE_TIMEOUT_S = 120.0

# the functions that the scripts below share; $limit is set ahead of them
_FUNCTIONS = """
set -eu
await() { # polls without programs: each costs a guest more than what it waits for
    tries=0 most=$((limit * 2 + 18)) wait=0.05
    until { read -r value <"$1" && [ "$value" = "$2" ]; } 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 20 ] || wait=0.5
        [ "$tries" -le "$most" ] || { echo "$1 is not $2 after $limit s" >&2; exit 1; }
        sleep $wait
    done
}
"""

# $1 interface, $2 cycles
_UP_DOWN = """
for cycle in $(seq "$2"); do
    ip link set dev "$1" down
    ip link set dev "$1" up
    await "/sys/class/net/$1/carrier" 1
done
"""

# $1 interface, $2 cycles, $3 driver, $4 IPv4, $5 IPv6, $6 PCI address, if there is no interface
_RELOAD = """
address=${6:-$(basename "$(readlink -f "/sys/class/net/$1/device")")}
for cycle in $(seq "$2"); do
    if grep -q "^$3 " /proc/modules 2>/dev/null; then
        modprobe -r "$3"
        [ ! -e "/sys/module/$3" ] || { echo "$3 is still loaded" >&2; exit 1; }
        modprobe "$3"
    else # built in
        [ ! -e "/sys/bus/pci/drivers/$3/$address" ] ||
            echo "$address" >"/sys/bus/pci/drivers/$3/unbind"
        echo "$address" >"/sys/bus/pci/drivers/$3/bind"
    fi
    set -- "$1" "$2" "$3" "$4" "$5" /sys/bus/pci/devices/$address/net/*
    [ -e "$6" ] || { echo "$3 bound no interface in cycle $cycle" >&2; exit 1; }
    name=${6##*/}
    [ "$name" = "$1" ] || ip link set dev "$name" name "$1"
    sysctl -qw "net.ipv6.conf.$1.keep_addr_on_down=1" "net.ipv6.conf.$1.accept_ra=0"
    ip addr replace "$4/24" dev "$1"
    ip addr replace "$5/64" dev "$1" nodad
    ip link set dev "$1" up
    await "/sys/class/net/$1/carrier" 1
done
"""

# $1 interface, $2 PCI address, $3 action; after fw_activate the driver hears of the reset later
_DEVLINK_RELOAD = """
devlink dev reload "pci/$2" action "$3"
await "/sys/class/net/$1/carrier" 1
"""


def _script(dut: Dut, text: str) -> bytes:
    limit = f"limit={CARRIER_TIMEOUT_S * dut.patience:.0f}"
    return f"{limit}\n{_FUNCTIONS}{text}".encode()


def cycle_link(dut: Dut, cycles: int = 1) -> None:
    """Take the interface down and up. Raises GuestCommandFailed without link afterwards."""
    require_permission(dut, Capability.LINK_CYCLE)
    dut.run(
        ["sh", "-s", dut.netdev, str(cycles)],
        input=_script(dut, _UP_DOWN),
        timeout_s=_CYCLE_TIMEOUT_S + 15.0 * cycles,
    )


def await_carrier(dut: Dut, *, up: bool) -> None:
    """Wait until the interface has a carrier, or none. Raises GuestCommandFailed."""
    dut.run(
        ["sh", "-s", dut.netdev, str(int(up))],
        input=_script(dut, 'await "/sys/class/net/$1/carrier" "$2"\n'),
        timeout_s=_CYCLE_TIMEOUT_S,
    )


def pci_address(dut: Dut) -> str:
    """Address of the card in the guest's configuration space, 0000:00:04.0."""
    return dut.run(["readlink", "-f", f"/sys/class/net/{dut.netdev}/device"]).text.split("/")[-1]


def reload_driver(dut: Dut, cycles: int = 1, *, address: str = "") -> None:
    """Remove and load the driver's module; name and addresses are as before afterwards.

    A driver that is built in lets go of the card and takes it again. With the card's PCI
    ``address`` (:func:`pci_address`) that is possible after a probe that failed.
    """
    require_permission(dut, Capability.DRIVER_RELOAD)
    dut.run(
        ["sh", "-s", dut.netdev, str(cycles), dut.driver, dut.ipv4, dut.ipv6, address],
        input=_script(dut, _RELOAD),
        timeout_s=_CYCLE_TIMEOUT_S + 30.0 * cycles,
    )


def reset_card(dut: Dut) -> None:
    """``devlink dev reload``: the driver resets the function and sets it up again; settings stay.

    Raises GuestCommandFailed without link afterwards.
    """
    _reload(dut, "driver_reinit")


def activate_firmware(dut: Dut) -> None:
    """``devlink dev reload action fw_activate``: the firmware is reset, and its driver recovers.

    Raises GuestCommandFailed without link afterwards.
    """
    _reload(dut, "fw_activate")


def _reload(dut: Dut, action: str) -> None:
    require_permission(dut, Capability.DEVICE_RESET)
    dut.run(
        ["sh", "-s", dut.netdev, pci_address(dut), action],
        input=_script(dut, _DEVLINK_RELOAD),
        timeout_s=_CYCLE_TIMEOUT_S,
    )


def reset_function(dut: Dut) -> None:
    """``echo 1 >reset``: the PCI core resets the card's function, whether its driver knows or not.

    Raises GuestCommandFailed.
    """
    require_permission(dut, Capability.DEVICE_RESET)
    dut.run(["sh", "-c", 'echo 1 >"/sys/class/net/$1/device/reset"', "sh", dut.netdev])
