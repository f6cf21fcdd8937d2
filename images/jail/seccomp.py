# SPDX-License-Identifier: GPL-2.0-only
"""seccomp filters: programs of classic BPF (include/uapi/linux/seccomp.h), made of rules.

What a filter refuses fails with an error number and never kills: a guest's system calls under User
Mode Linux trap by UML's own filter, and a trap takes precedence over an error, but not over a kill.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from images.jail.kernel import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _AND, _GIVE_BACK = 0x20, 0x54, 0x06
_JUMP_EQUAL, _JUMP_AT_LEAST = 0x15, 0x35
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000

Step = tuple[int, int, int, int]
"""struct sock_filter: code, jt, jf, k."""
Check = tuple[int, int, int, int, bool]
"""Number, which argument, mask, value, and whether it is refused if ``argument & mask`` is the
value, or if it is not. Only an argument's low half is looked at: all that are checked are ints."""


def program(
    arch: int, refused: Mapping[int, int], checks: Iterable[Check], allowed: Iterable[int] | None
) -> list[Step]:
    """A filter for the machine ``arch`` (AUDIT_ARCH_*).

    ``refused``: number -> errno; what ``checks`` refuse fails with EPERM, what they do not passes.
    ``allowed``: the only others that pass, the rest fails with ENOSYS; None: all others pass.

    The kernel remembers which numbers always pass; checks come first because theirs do not, and
    ioctl is what a guest under KVM does all the time.
    """
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, arch),
        _error(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        _error(errno.EPERM),
    ]
    for check in checks:
        steps += _checked(*check)
    for number, code in refused.items():
        steps += [(_JUMP_EQUAL, 0, 1, number), _error(code)]
    if allowed is None:
        return [*steps, (_GIVE_BACK, 0, 0, _ALLOW)]
    for number in allowed:
        steps += [(_JUMP_EQUAL, 0, 1, number), (_GIVE_BACK, 0, 0, _ALLOW)]
    return [*steps, _error(errno.ENOSYS)]


def _error(code: int) -> Step:
    return (_GIVE_BACK, 0, 0, _ERRNO | code)


def _checked(number: int, argument: int, mask: int, value: int, refuse_equal: bool) -> list[Step]:
    return [
        (_JUMP_EQUAL, 0, 5, number),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),
        (_AND, 0, 0, mask),
        (_JUMP_EQUAL, 0, 1, value) if refuse_equal else (_JUMP_EQUAL, 1, 0, value),
        _error(errno.EPERM),
        (_GIVE_BACK, 0, 0, _ALLOW),
    ]


def install(steps: list[Step]) -> None:
    """Filter the calling thread's system calls from now on; needs no_new_privs. Raises OSError."""
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HxxxxxxQ", len(steps), ctypes.addressof(buffer))
    call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0)
