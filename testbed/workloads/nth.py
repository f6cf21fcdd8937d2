# SPDX-License-Identifier: GPL-2.0-only
"""Operations of which one allocation fails, each time the next, until one does without any failing;
or the last one, each time the one before.

The kernel counts what one task allocates, or copies from and to user space, which may fail as well
(/proc/PID/fail-nth in Documentation/fault-injection/fault-injection.rst), here below the function
to which the files of debugfs confine it. Each kind of what can fail tells of a failure in its file
``times``, which counts down: those behind the n-th fail as long as anything is left of it, for the
task alone (make-it-fail). Without :attr:`WorkloadContext.fail_nth` an operation is done once, and
nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

from testbed.dut import sendzc
from testbed.dut.devmem import BUFFER, WAIT_MS, Console
from testbed.dut.driver import cycle_link, pci_address
from testbed.dut.leases import TAKE_BACK, take_back
from testbed.dut.nic import RESTART_AREA_BYTES, ethtool, ethtool_json, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.programs import program
from testbed.dut.udp_segments import LEAST_RING
from testbed.dut.zcrx import console
from testbed.errors import GuestCommandFailed
from testbed.workloads import leasing
from testbed.workloads.interface import rebind
from testbed.workloads.judge import NOT_AGAIN, require
from testbed.workloads.sending import play
from testbed.workloads.traffic import require_echo
from testbed.workloads.workload import WorkloadContext
from testbed.workloads.zcrx import prepare_devmem

Attempt = Callable[[int], bool]
"""Does it once while the n-th allocation fails (0: none); whether one has failed."""

SETTLE_S = 0.3
"""Until a worker has let go of what a program leaves behind."""
_PERHAPS, _MOST = 32, 1_000_000
"""So many allocations an operation may have, as long as nothing is known of it; and at most."""
RESTART_LATER_S = 1.5
"""Until a queue whose restart found no memory has restarted (fix of zcrx-close-memory-short)."""
_MIB = 1 << 20
_ROUNDS, _ROUND_BYTES = 8, 40_000
"""Pieces have a page at most, a node 64 slots (XA_CHUNK_SIZE in linux/xarray.h)."""
_SENDS = (
    *sendzc.SLOW_BEGIN,
    *chain.from_iterable((f"send 0 user={one} slot=0 len=1K", "submit") for one in range(32)),
    "tell 1", "settle 50", "shutdown 0",
)  # fmt: skip
"""Each submitted alone, while the notifications of those before it are out, as nobody reads: of the
eight requests that io_uring allocates at once a notification finds none left, too."""
_SENT = (
    *sendzc.BEGIN, "send 0 user=1 slot=0 len=48K waitall", "completions 2", "shutdown 0",
    "hash 0 0 48K",
)  # fmt: skip
_UNBIND_DEVMEM = "unbind binding"

# $most how many may fail
_BEFORE = 'cd /sys/kernel/debug; for one in fail*/times; do echo "$most" >"$one"; done'
_NONE_FAILED = (
    'for one in fail*/times; do read -r left <"$one"; [ "$left" = "$most" ] || exit 1; done'
)

# $1 which allocation, $2 how many may fail; behind them the program and its words. Both are of one
# task, and stay with it over execve().
_ONCE = f"""
nth=$1 most=$2; shift 2
{_BEFORE}
sh -c '[ "$1" = 1 ] || echo 1 >/proc/self/make-it-fail; shift
echo "$0" >/proc/self/fail-nth; exec "$@"' "$nth" "$most" "$@" >/dev/null 2>&1
{_NONE_FAILED}
"""
# $1 which allocation, $2 how many may fail, $3 the task
_ARM = f"""
most=$2; {_BEFORE}
[ "$most" = 1 ] || echo 1 >"/proc/$3/make-it-fail"
echo "$1" >"/proc/$3/fail-nth"
"""
# $1 how many might fail, $2 the task
_DISARM = f"""
most=$1; cd /sys/kernel/debug
echo 0 >"/proc/$2/fail-nth"; echo 0 >"/proc/$2/make-it-fail"
{_NONE_FAILED}
"""

_BIND = 'echo "$1" >"/sys/bus/pci/drivers/$2/bind"'
_UNBIND = f'! [ -e "/sys/bus/pci/drivers/$2/$1" ] || {_BIND.replace("/bind", "/unbind")}'
_SETTINGS = (
    ("-L", "combined", "2"), ("-G", "rx", "255"), ("-K", "rx-gro-hw", "off"), ("-A", "rx", "off"),
    ("-X", "equal", "1"), ("-C", "rx-usecs", "20"), ("-G", "tx", str(LEAST_RING)),
    ("-K", "gro", "off"),
    ("-X", "context", "new"), ("-L", "combined", "1"),
)  # fmt: skip
_UNDO = {("-X", "context", "new"): ("-X", "context", "1", "delete")}
"""Contexts that stay are refused after other settings (finding rss-contexts-uncounted)."""


def _most(context: WorkloadContext) -> str:
    """How many allocations may fail in an attempt."""
    return str(1 + (context.fail_nth.behind if context.fail_nth else 0))


def _words(context: WorkloadContext, argv: Sequence[str]) -> Attempt:
    """A program that does it in its own task."""

    def attempt(nth: int) -> bool:
        if not nth:
            context.dut.run([*argv], check=False)
            return False
        done = context.dut.run([*_once(context, nth), *argv], check=False)
        return done.returncode != 0

    return attempt


def _once(context: WorkloadContext, nth: int) -> list[str]:
    """What runs a program of which the n-th allocation fails, and returns whether none did."""
    return ["sh", "-c", _ONCE, "sh", str(nth), _most(context)]


def _arm(context: WorkloadContext, nth: int, task: int) -> None:
    """The n-th allocation of what ``task`` does now fails (0: none)."""
    if nth:
        context.dut.run(["sh", "-c", _ARM, "sh", str(nth), _most(context), str(task)])


def _has_failed(context: WorkloadContext, nth: int, task: int) -> bool:
    """Whether it has; from now on none does."""
    disarm = ["sh", "-c", _DISARM, "sh", _most(context), str(task)]
    return bool(nth) and context.dut.run(disarm, check=False).returncode != 0


def _in_turn(
    context: WorkloadContext, attempt: Attempt, before: Callable[[], object] | None = None
) -> int:
    """Attempts until nothing fails any more, or as many as there may be; how many there were."""
    wanted = context.fail_nth

    def once(nth: int) -> bool:
        if before is not None:
            before()
        return attempt(nth)

    if wanted is not None and not wanted.first:
        return _from_the_last(once, wanted.attempts)
    ordinals = range(wanted.first, wanted.first + wanted.attempts) if wanted else range(1)
    for done, nth in enumerate(ordinals, start=1):
        if not once(nth):
            return done
    return len(ordinals)


def _from_the_last(attempt: Attempt, attempts: int) -> int:
    """Attempts at the last allocation that fails, which halving the distance finds, and then at
    those before it. Nothing else tells how many there are."""
    fails, beyond, done = 0, _MOST + 1, 0
    while done < attempts and beyond - fails > 1:
        nth = min(max(_PERHAPS, 2 * fails), (fails + beyond) // 2)
        done += 1
        if attempt(nth):
            fails = nth
        else:
            beyond = nth
    before = range(fails - 1, 0, -1)[: attempts - done]
    for nth in before:
        attempt(nth)
    return done + len(before)


def _ended(context: WorkloadContext, attempts: int) -> None:
    context.output.append(f"{attempts} attempts")
    context.operation_ended()


def _works_again(context: WorkloadContext, after: str) -> None:
    """What has failed is made good by down and up."""
    if context.fail_nth is not None:
        cycle_link(context.dut)
    require_echo(context, after=after)


def _again(context: WorkloadContext, what: str, argv: Sequence[str]) -> None:
    """Nothing is left of what has failed: it can be done. Raises CheckFailed."""
    if context.fail_nth is not None:
        done = context.dut.run([*argv], check=False)
        require(not done.returncode, f"{what} {NOT_AGAIN}: {done.error_text or done.text}")


def _open(context: WorkloadContext) -> None:
    """What has failed may have closed the interface, and then does less."""
    context.dut.run(["ip", "link", "set", "dev", context.dut.netdev, "up"], check=False)


def open_interface(context: WorkloadContext) -> None:
    """The interface is opened."""
    link = ["ip", "link", "set", "dev", context.dut.netdev]

    def close() -> None:
        context.dut.run([*link, "down"], check=False)

    _ended(context, _in_turn(context, _words(context, [*link, "up"]), close))
    _works_again(context, "opening")


def bind(context: WorkloadContext) -> None:
    """The driver is bound."""
    dut, of = context.dut, ["sh", context.address, context.dut.driver]

    def unbind() -> None:
        dut.run(["sh", "-c", _UNBIND, *of], check=False)

    _ended(context, _in_turn(context, _words(context, ["sh", "-c", _BIND, *of]), unbind))
    rebind(context)
    require_echo(context, after="binding")


def reload(context: WorkloadContext) -> None:
    """``devlink dev reload``: the driver resets the function and sets it up again."""
    argv = ["devlink", "dev", "reload", f"pci/{pci_address(context.dut)}"]
    _ended(context, _in_turn(context, _words(context, argv), lambda: _open(context)))
    cycle_link(context.dut)
    require_echo(context, after="reloading")
    _again(context, "reloading", argv)


def provide(context: WorkloadContext) -> None:
    """A queue gets a memory provider, zero-copy receive, and restarts for it; then it is let go."""
    dut = context.dut
    argv = [program("queue_restart"), dut.netdev, str(context.queue.queue), "2"]
    argv += ["--area", str(RESTART_AREA_BYTES), "--timeout", "5"]

    def settle() -> None:
        pause(dut, SETTLE_S)

    _ended(context, _in_turn(context, _words(context, argv), settle))
    settle()
    _works_again(context, "zero-copy receive")
    _again(context, "zero-copy receive", argv)


def export(context: WorkloadContext) -> None:
    """A queue of zero-copy receive is exported, and the file closed; then the queue is let go."""
    dut, queue = context.dut, context.queue.queue
    with console(dut) as zcrx:
        zcrx.bind(queue)

        def attempt(nth: int) -> bool:
            _arm(context, nth, zcrx.pid)
            refused = zcrx.step("export")["errno"]
            failed = _has_failed(context, nth, zcrx.pid)
            if not refused:
                zcrx.step("close", export=0)
            return failed

        _ended(context, _in_turn(context, attempt))
    try:
        wait_until_free(dut)
        with console(dut) as zcrx:
            zcrx.bind(queue)
        wait_until_free(dut)
    except GuestCommandFailed as failed:
        require(context.fail_nth is None, f"zero-copy receive {NOT_AGAIN}: {failed.message}")
        raise
    require_echo(context, after="exporting")


def bind_devmem(context: WorkloadContext, queues: int = 1) -> None:
    """A dmabuf is bound to a queue, or to that and those before it, which restart for it; then it
    is let go."""
    last = context.queue.queue
    setup = context.devmem_setup
    _bind_devmem(context, setup.bind_step(queues=range(last + 1 - queues, last + 1)))


def bind_devmem_to_send(context: WorkloadContext) -> None:
    """A dmabuf is bound to transmit, and let go."""
    _bind_devmem(context, f"bind-tx binding {context.dut.netdev} {BUFFER}")


def _bind_devmem(context: WorkloadContext, step: str) -> None:
    devmem = _buffer(context)

    def attempt(nth: int) -> bool:
        _arm(context, nth, devmem.pid)
        answer = devmem.attempt(step)
        failed = _has_failed(context, nth, devmem.pid)
        if "error" not in answer:
            devmem.do(_UNBIND_DEVMEM)
        pause(context.dut, SETTLE_S)
        return failed

    _ended(context, _in_turn(context, attempt))
    _devmem_works_again(context, devmem, step)


def prepare_to_unbind(context: WorkloadContext) -> None:
    """A queue set aside that no rule and no RSS table names, so that it can go."""
    prepare_devmem(context, steered=False)


def unbind_devmem(context: WorkloadContext) -> None:
    """The last user of a dmabuf leaves, and its queue restarts without a provider; or, in about
    half of the attempts that fail, as is drawn, it goes before it could."""
    devmem, step = _buffer(context), context.devmem_setup.bind_step()
    queue, went = context.queue.queue, list[bool]()

    def attempt(nth: int) -> bool:
        devmem.do(step)
        _arm(context, nth, devmem.pid)
        devmem.do(_UNBIND_DEVMEM)
        failed = _has_failed(context, nth, devmem.pid)
        goes = failed and context.random.random() < 0.5
        if goes:
            went.append(_combined(context, queue))
        pause(context.dut, RESTART_LATER_S)
        if goes:
            _combined(context, queue + 1)
        return failed

    attempts = _in_turn(context, attempt)
    context.output.append(f"{sum(went)} times the queue went before it could restart")
    _ended(context, attempts)
    _devmem_works_again(context, devmem, step)


def receive_devmem(context: WorkloadContext) -> None:
    """What lies in a dmabuf is told of, piece by piece, and all pieces are given back in the end:
    more of them than one node of the socket's xarray counts."""
    setup = context.devmem_setup
    devmem = setup.console
    setup.bind_and_connect()

    def attempt(nth: int) -> bool:
        _arm(context, nth, devmem.pid)
        for _ in range(_ROUNDS):
            setup.send(_ROUND_BYTES)
            left = _ROUND_BYTES
            while left:
                answer = devmem.attempt(f"drain flow {left} {WAIT_MS} keep")
                require(answer.get("error") in (None, "ENOMEM", "EFAULT"), f"receive: {answer}")
                left -= int(answer["bytes"])
        failed = _has_failed(context, nth, devmem.pid)
        devmem.do("return flow")
        return failed

    attempts = _in_turn(context, attempt)
    devmem.do("close flow")
    setup.unbind()
    _ended(context, attempts)
    _works_again(context, "devmem")


def take_lease_back(context: WorkloadContext) -> None:
    """A queue is taken back, with the device that it is leased to, while a program has it bound;
    packets come to it at once."""

    def attempt(nth: int) -> bool:
        with leasing.bound(context):
            failed = _words(context, TAKE_BACK)(nth)
            take_back(context.dut)
            leasing.receive_by_sockets(context)
        pause(context.dut, SETTLE_S)
        return failed

    _ended(context, _in_turn(context, attempt))
    leasing.receive(context)


def _combined(context: WorkloadContext, channels: int) -> bool:
    """So many queues, if there is memory for them; whether there was."""
    dut = context.dut
    argv = ["ethtool", "-L", dut.netdev, "combined", str(channels)]
    return dut.run(argv, check=False).returncode == 0


def _buffer(context: WorkloadContext) -> Console:
    """A console with memory to bind."""
    devmem = context.devmem_setup.console
    devmem.do(f"udmabuf {BUFFER} {_MIB}")
    return devmem


def _devmem_works_again(context: WorkloadContext, devmem: Console, step: str) -> None:
    _works_again(context, "devmem")
    if context.fail_nth is not None:
        answer = devmem.attempt(step)
        require("error" not in answer, f"devmem {NOT_AGAIN}: {answer.get('error')}")
        devmem.do(_UNBIND_DEVMEM)


def send(context: WorkloadContext) -> None:
    """Memory of the application is sent from where it lies: many sends, each with a notification,
    by a program of its own each time."""
    dut, remote = context.dut, context.remote

    def attempt(nth: int) -> bool:
        wrapper = _once(context, nth) if nth else ()
        done = sendzc.attempt(dut, remote, _SENDS, sendzc.SLOW_READER, wrapper)
        return bool(nth) and done.returncode != 0

    _ended(context, _in_turn(context, attempt))
    _works_again(context, "sending")
    try:
        play(context, _SENT, sendzc.READER)
    except GuestCommandFailed as failed:
        require(context.fail_nth is None, f"sending {NOT_AGAIN}: {failed.message}")
        raise


def change_settings(context: WorkloadContext) -> None:
    """Settings, most of which close and open the driver, in an order that is drawn; as many
    attempts for all of them as there may be."""
    dut = context.dut
    channels, rings = ethtool_json(dut, "-l"), ethtool_json(dut, "-g")
    context.defer(dut.run, ["ethtool", "-X", dut.netdev, "default"], check=False)
    context.defer(ethtool, dut, "-K", dut.netdev, "gro", "on")
    context.defer(ethtool, dut, "-L", dut.netdev, "combined", str(channels["combined"]))
    for ring in ("rx", "tx"):
        context.defer(ethtool, dut, "-G", dut.netdev, ring, str(rings[ring]))
    each_in_turn(
        context,
        [(_ethtool(context, one), _ethtool(context, _UNDO.get(one, ()))) for one in _SETTINGS],
        after="settings",
    )


def each_in_turn(
    context: WorkloadContext, steps: Sequence[tuple[Sequence[str], Sequence[str]]], after: str
) -> None:
    """Programs, each with the one that takes back what it did, in an order that is drawn; as many
    attempts for all of them as there may be."""
    left = context.fail_nth.attempts if context.fail_nth else len(steps)
    made = 0
    for words, back in context.random.sample(steps, len(steps)):
        take_back = partial(_take_back, context, back)
        made += _in_turn(context, _words(context, words), take_back)
        take_back()
        if made >= left:
            break
    _ended(context, made)
    _works_again(context, after)


def _take_back(context: WorkloadContext, words: Sequence[str]) -> None:
    """It may not have been done."""
    _open(context)
    if words:
        context.dut.run([*words], check=False)


def _ethtool(context: WorkloadContext, words: Sequence[str]) -> list[str]:
    return ["ethtool", words[0], context.dut.netdev, *words[1:]] if words else []
