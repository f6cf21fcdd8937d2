# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for a lab: a guest with the emulated card that is reached over SSH and nothing else.

It has a management NIC of its own, on which an SSH server listens; QEMU hands connections to it
on from a Unix socket, so that its jail stays without a network. What is needed to get there is a
folder with ``lab.toml``, a key and the server's key, as for any other lab.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6
from testbed.engines.lab import pipe
from testbed.engines.lab.ssh import client_program
from testbed.engines.qemu.argv import MANAGEMENT_MAC, MANAGEMENT_SOCKET, SSH_PORT
from testbed.engines.qemu.session import QemuSession
from testbed.engines.topology import NUT, PEER, PEER_NETNS

LAB_FILE = "lab.toml"
DUT_NAME = "stand-in"
_FOLDER = "lab"
_CLIENT_FOLDER = "client"
_KEY, _KNOWN = "id_ed25519", "known_hosts"

# $1 MAC of the management NIC, $2 port, $3 public key that may log in; prints the server's own.
# The address is the one QEMU's user network sends connections to.
_SERVE = f"""
set -eu
for path in /sys/class/net/*; do
    [ "$(cat "$path/address")" != "$1" ] || name=${{path##*/}}
done
ip link set dev "$name" name mgmt0
ip address add 10.0.2.15/24 dev mgmt0
ip link set dev mgmt0 up
mkdir -p -m 700 /root/.ssh /run/dropbear
printf '%s\\n' "$3" >/root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
echo /bin/bash >/etc/shells
key=/run/dropbear/{_KEY}
dropbearkey -t ed25519 -f "$key" >/dev/null 2>&1
dropbear -E -s -r "$key" -p "$2" -P /run/dropbear/pid 2>/run/dropbear/log
dropbearkey -y -f "$key" | grep ^ssh-ed25519
"""


class StandIn(QemuSession):
    """A session whose guest also serves SSH."""

    @property
    def lab_file(self) -> Path:
        """The lab.toml that describes the guest."""
        return self._client_folder / LAB_FILE

    @property
    def _folder(self) -> Path:
        return self.private.path / _FOLDER

    @property
    def _client_folder(self) -> Path:
        return self.private.path / _CLIENT_FOLDER

    @property
    def _can_be_woken(self) -> bool:
        return False  # it has a way in of its own

    def _management_folder(self, uid: int | None) -> Path | None:
        folder = self._folder
        folder.mkdir(mode=0o700)
        if uid is not None:
            os.chown(folder, uid, -1)
        return folder

    def _start(self) -> None:
        super()._start()
        with self._stage("ssh", "starting the SSH server"):
            self._serve()

    def _serve(self) -> None:
        folder = self._client_folder
        folder.mkdir(mode=0o700)
        key = folder / _KEY
        words = [client_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
        subprocess.run([*words, "-C", "stand-in"], check=True, stdin=subprocess.DEVNULL)
        public = key.with_suffix(".pub").read_text().strip()
        done = self.dut.run(
            ["sh", "-s", MANAGEMENT_MAC, str(SSH_PORT), public], input=_SERVE.encode()
        )
        (folder / _KNOWN).write_text(f"{DUT_NAME} {done.text}\n")
        (folder / "config").write_text(self._ssh_config(folder))
        self.lab_file.write_text(self._lab_toml())

    def _ssh_config(self, folder: Path) -> str:
        proxy = [sys.executable, "-I", "-S", pipe.__file__, str(self._folder / MANAGEMENT_SOCKET)]
        return "\n".join(
            [
                f"Host {DUT_NAME}",
                "User root",
                f"IdentityFile {folder / _KEY}",
                "IdentitiesOnly yes",
                # what an emulated CPU computes fast
                "KexAlgorithms curve25519-sha256",
                "Compression yes",
                f"UserKnownHostsFile {folder / _KNOWN}",
                f"ProxyCommand {' '.join(proxy)}",
                "",
            ]
        )

    def _lab_toml(self) -> str:
        return f"""\
[dut.{DUT_NAME}]
host = "{DUT_NAME}"
ssh_config = "config"
interface = "{NUT}"
pci_address = "{self.dut.pci_address}"
ipv4 = "{LOCAL_V4}"
ipv6 = "{LOCAL_V6}"
disturb = ["link", "driver", "reset", "sysctls"]
patience = {self.patience:.1f}

[dut.{DUT_NAME}.remote]
namespace = "{PEER_NETNS}"
interface = "{PEER}"
ipv4 = "{REMOTE_V4}"
ipv6 = "{REMOTE_V6}"
"""
