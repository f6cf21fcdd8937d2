# SPDX-License-Identifier: GPL-2.0-only
"""Tunnels as the driver configures them, and what a completion says of their checksums.

Sources: struct hwrm_tunnel_dst_port_alloc_input; RX_CMP_FLAGS2_* and RX_CMPL_ERRORS_* of bnxt.h.
"""

from __future__ import annotations

from devmodel.bnxt.placement import (
    ERROR_IP_CS,
    ERROR_L4_CS,
    ERROR_T_IP_CS,
    ERROR_T_L4_CS,
    FLAGS2_IP_CS_CALC,
    FLAGS2_IP_TYPE,
    FLAGS2_L4_CS_CALC,
    FLAGS2_T_IP_CS_CALC,
    FLAGS2_T_L4_CS_CALC,
)
from devmodel.bnxt.resources import Resources
from devmodel.net.parse import Packet
from devmodel.net.tunnel import UdpTunnel, UdpTunnels

_UDP_TUNNELS = {1: UdpTunnel.VXLAN, 5: UdpTunnel.GENEVE, 0x10: UdpTunnel.VXLAN_GPE}
"""By tunnel_type of TUNNEL_DST_PORT_ALLOC."""


def udp_tunnels(resources: Resources) -> UdpTunnels:
    """What the driver has said of UDP ports."""
    return {
        port: _UDP_TUNNELS[kind]
        for kind, port in resources.tunnel_ports.items()
        if kind in _UDP_TUNNELS
    }


def checksum_bits(packet: Packet) -> tuple[int, int]:
    """(flags2, errors) of its completion. Of a tunnel packet the plain bits are of the one inside.

    The driver takes T_L4_CS_CALC for a word on two checksums (``csum_level``). So it is not set
    unless that of the inside was looked at, and is set for a tunnel over UDP that has none.
    """
    inner = packet.inner
    flags2, errors = _bits_of(packet if inner is None else inner)
    if inner is None:
        return flags2, errors
    if packet.ip_version == 4:
        flags2 |= FLAGS2_T_IP_CS_CALC
        if not packet.ip_ok:
            errors |= ERROR_T_IP_CS
    if packet.is_udp and inner.l4_ok is not None:
        flags2 |= FLAGS2_T_L4_CS_CALC
        if packet.l4_ok is False:
            errors |= ERROR_T_L4_CS
    return flags2, errors


def _bits_of(packet: Packet) -> tuple[int, int]:
    flags2 = errors = 0
    if packet.ip_version == 4:
        flags2 = FLAGS2_IP_CS_CALC
        if not packet.ip_ok:
            errors = ERROR_IP_CS
    elif packet.ip_version == 6:
        flags2 = FLAGS2_IP_TYPE
    if packet.l4_ok is not None:
        flags2 |= FLAGS2_L4_CS_CALC
        if not packet.l4_ok:
            errors |= ERROR_L4_CS
    return flags2, errors
