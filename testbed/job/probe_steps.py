# SPDX-License-Identifier: GPL-2.0-only
"""From power-on to a NIC that is configured for zero-copy receive."""

from __future__ import annotations

from testbed.dut import nic
from testbed.dut.nic import ZcrxQueue
from testbed.dut.permissions import RequirementMissing
from testbed.dut.ping import three_echoes
from testbed.dut.protocols import Capability, Endpoint
from testbed.engines.open import new_session
from testbed.engines.topology import DRIVERS
from testbed.host.terminal import escape
from testbed.job.context import ZCRX_PORT, JobContext
from testbed.job.recorder import Step
from testbed.options import Nic
from testbed.workloads.judge import require

JUMBO_PING_BYTES = nic.ZCRX_MTU - 28  # IPv4 and ICMP headers


def boot(job: JobContext) -> str:
    """Start card and guest; leaves the session open in ``job``."""
    session = new_session(job.options, job.run_dir, job.prepared)
    job.opened = job.stack.enter_context(session)
    job.report.boot_seconds = session.boot_seconds
    release = escape(session.dut.run(["uname", "-r"]).text)
    job.report.kernel_release = release
    expected = job.prepared.kernel.release
    require(release == expected, f"the guest runs {release}, not {expected}")
    return f"Linux {release}, usable after {session.boot_seconds:.1f} s"


def bind(job: JobContext) -> str:
    """The stock driver found the card by its PCI ID."""
    expected = DRIVERS[job.options.nic]
    require(job.dut.driver == expected, f"driver is {job.dut.driver}, not {expected}")
    lines = nic.ethtool(job.dut, "-i", job.dut.netdev).splitlines()
    facts = dict(line.split(": ", 1) for line in lines if ": " in line)
    return f"{facts.get('driver')}, firmware {facts.get('firmware-version')}"


def module_is_stock(job: JobContext) -> str:
    """File and loaded code of the module are those of Debian's package."""
    if job.options.nic is not Nic.BNXT:
        raise RequirementMissing("a recorded hash of this driver")
    job.need(Capability.STOCK_MODULE)
    module = job.prepared.stock_module
    if module is None:
        raise RequirementMissing(Capability.STOCK_MODULE.value)
    driver = job.dut.driver
    script = (
        'set -e; file=$(modinfo -n "$1"); sha256sum "$file"; '
        "od -An -v -tx1 /sys/module/$1/notes/.note.gnu.build-id | tr -d ' \\n'; echo; "
        "cat /sys/module/$1/taint"
    )
    output = job.dut.run(["sh", "-c", script, "sh", driver]).stdout.decode().splitlines()
    require(len(output) >= 2, f"the guest says nothing about module {driver}")
    file_sha256, path = output[0].split(maxsplit=1)
    taint = output[2].strip() if len(output) > 2 else ""
    require(
        file_sha256 == module.module_packed_sha256,
        f"{path} in the guest is not the package's file",
        detail=f"guest   {file_sha256}\npackage {module.module_packed_sha256}",
    )
    # struct elf_note: 12 bytes of sizes and type, 4 of name, then the id
    loaded = output[1][32:]
    require(
        loaded == module.module_build_id,
        "the loaded module is not the one in that file",
        detail=f"loaded  {loaded}\npackage {module.module_build_id}",
    )
    require(taint == "", f"the module taints the kernel: {taint}")
    job.report.module_sha256 = module.module_sha256
    return f"sha256 {module.module_sha256[:16]}…, build-id {loaded[:16]}…"


def both_ends_answer(job: JobContext) -> str:
    """Ping, both IP versions, both directions."""
    for end, targets in (
        (job.dut, (job.remote.ipv4, job.remote.ipv6)),
        (job.remote, (job.dut.ipv4, job.dut.ipv6)),
    ):
        for target in targets:
            _require_echoes(end, target)
    return "IPv4 and IPv6, both ways"


def _require_echoes(end: Endpoint, target: str, *options: str) -> None:
    """Three echo requests, all of which must be answered."""
    heard = three_echoes(end, target, *options)
    require(not heard.lost, f"{target} does not answer every ping", detail=escape(heard.text))


def jumbo(job: JobContext) -> str:
    """MTU 4096 at both ends, carried unfragmented."""
    nic.set_mtu(job.dut, job.remote, nic.ZCRX_MTU, job.defer)
    _require_echoes(job.remote, job.dut.ipv4, "-M", "do", "-s", str(JUMBO_PING_BYTES))
    return f"{nic.ZCRX_MTU} bytes, unfragmented"


def channels(job: JobContext) -> str:
    """Four combined channels."""
    nic.set_channels(job.dut, nic.CHANNELS, job.defer)
    count = nic.combined_channels(job.dut)
    require(count == nic.CHANNELS, f"{count} channels, not {nic.CHANNELS}")
    return f"{count} combined"


def header_split(job: JobContext) -> str:
    """Header-data split, from the first payload byte on."""
    job.need(Capability.HEADER_SPLIT)
    nic.split_headers(job.dut, job.defer)
    rings = nic.ethtool_json(job.dut, "-g")
    state = rings.get("tcp-data-split")
    require(state in ("on", True), f"tcp-data-split is {state}")
    require(rings.get("hds-thresh") == 0, f"hds-thresh is {rings.get('hds-thresh')}")
    return f"hds-thresh 0, {rings.get('rx')} rx descriptors"


def spread(job: JobContext) -> str:
    """RSS keeps off the queue that is set aside."""
    job.need(Capability.RSS)
    nic.spread_over(job.dut, nic.CHANNELS - 1, job.defer)
    table = nic.ethtool_json(job.dut, "-x")["rss-indirection-table"]
    used = sorted(set(table))
    expected = list(range(nic.CHANNELS - 1))
    require(used == expected, f"the indirection table names queues {used}, not {expected}")
    return f"{len(table)} entries over queues {used[0]} to {used[-1]}"


def steer(job: JobContext) -> str:
    """One port goes to the queue that is set aside."""
    queue = nic.CHANNELS - 1
    if Capability.NTUPLE not in job.dut.capabilities:
        # the next best thing: every flow goes there while it is wanted there
        nic.steer_everything(job.dut, queue, job.defer)
        job.work.zcrx = ZcrxQueue(queue, ZCRX_PORT, 4)
        return f"no ntuple filters: RSS sends everything to queue {queue}"
    nic.enable_ntuple(job.dut, job.defer)
    rule = nic.add_rule(
        job.dut, job.defer, "dst-port", str(ZCRX_PORT), flow_type="tcp4", action=queue
    )
    job.work.zcrx = ZcrxQueue(queue, ZCRX_PORT, 4)
    return f"TCP port {ZCRX_PORT} to queue {queue} (rule {rule})"


BOOT = Step("boot", "Guest boots to a usable agent", "Probe", boot)
STEPS = (
    Step("bind", "Stock driver binds the card", "Probe", bind, ("boot",)),
    Step("module", "Module is the Debian package's", "Probe", module_is_stock, ("boot",)),
    Step("ping", "Both ends answer", "Probe", both_ends_answer, ("bind",)),
    Step("mtu", "MTU 4096", "Configure", jumbo, ("ping",)),
    Step("channels", "Four channels", "Configure", channels, ("bind",)),
    Step("header_split", "Header-data split", "Configure", header_split, ("bind",)),
    Step("rss", "RSS keeps off one queue", "Configure", spread, ("channels",)),
    Step("flow_rule", "Flow rule to that queue", "Configure", steer, ("channels",)),
)  # fmt: skip
