# SPDX-License-Identifier: GPL-2.0-only
"""Statistics blocks of the port, as they lie in host memory (linux/bnxt/hsi.h)."""

from __future__ import annotations

from devmodel.layout import Layout, layout, le64


@layout(size=528, c_name="rx_port_stats")
class RxPortStats(Layout):
    """MAC counters, receive."""

    rx_64b_frames: le64 = 0
    rx_65b_127b_frames: le64 = 0
    rx_128b_255b_frames: le64 = 0
    rx_256b_511b_frames: le64 = 0
    rx_512b_1023b_frames: le64 = 0
    rx_1024b_1518b_frames: le64 = 0
    rx_good_vlan_frames: le64 = 0
    rx_1519b_2047b_frames: le64 = 0
    rx_2048b_4095b_frames: le64 = 0
    rx_4096b_9216b_frames: le64 = 0
    rx_9217b_16383b_frames: le64 = 0
    rx_total_frames: le64 = 0
    rx_ucast_frames: le64 = 0
    rx_mcast_frames: le64 = 0
    rx_bcast_frames: le64 = 0
    rx_fcs_err_frames: le64 = 0
    rx_ctrl_frames: le64 = 0
    rx_pause_frames: le64 = 0
    rx_pfc_frames: le64 = 0
    rx_unsupported_opcode_frames: le64 = 0
    rx_unsupported_da_pausepfc_frames: le64 = 0
    rx_wrong_sa_frames: le64 = 0
    rx_align_err_frames: le64 = 0
    rx_oor_len_frames: le64 = 0
    rx_code_err_frames: le64 = 0
    rx_false_carrier_frames: le64 = 0
    rx_ovrsz_frames: le64 = 0
    rx_jbr_frames: le64 = 0
    rx_mtu_err_frames: le64 = 0
    rx_match_crc_frames: le64 = 0
    rx_promiscuous_frames: le64 = 0
    rx_tagged_frames: le64 = 0
    rx_double_tagged_frames: le64 = 0
    rx_trunc_frames: le64 = 0
    rx_good_frames: le64 = 0
    rx_pfc_xon2xoff_frames_pri0: le64 = 0
    rx_pfc_xon2xoff_frames_pri1: le64 = 0
    rx_pfc_xon2xoff_frames_pri2: le64 = 0
    rx_pfc_xon2xoff_frames_pri3: le64 = 0
    rx_pfc_xon2xoff_frames_pri4: le64 = 0
    rx_pfc_xon2xoff_frames_pri5: le64 = 0
    rx_pfc_xon2xoff_frames_pri6: le64 = 0
    rx_pfc_xon2xoff_frames_pri7: le64 = 0
    rx_pfc_ena_frames_pri0: le64 = 0
    rx_pfc_ena_frames_pri1: le64 = 0
    rx_pfc_ena_frames_pri2: le64 = 0
    rx_pfc_ena_frames_pri3: le64 = 0
    rx_pfc_ena_frames_pri4: le64 = 0
    rx_pfc_ena_frames_pri5: le64 = 0
    rx_pfc_ena_frames_pri6: le64 = 0
    rx_pfc_ena_frames_pri7: le64 = 0
    rx_sch_crc_err_frames: le64 = 0
    rx_undrsz_frames: le64 = 0
    rx_frag_frames: le64 = 0
    rx_eee_lpi_events: le64 = 0
    rx_eee_lpi_duration: le64 = 0
    rx_llfc_physical_msgs: le64 = 0
    rx_llfc_logical_msgs: le64 = 0
    rx_llfc_msgs_with_crc_err: le64 = 0
    rx_hcfc_msgs: le64 = 0
    rx_hcfc_msgs_with_crc_err: le64 = 0
    rx_bytes: le64 = 0
    rx_runt_bytes: le64 = 0
    rx_runt_frames: le64 = 0
    rx_stat_discard: le64 = 0
    rx_stat_err: le64 = 0


@layout(size=408, c_name="tx_port_stats")
class TxPortStats(Layout):
    """MAC counters, transmit."""

    tx_64b_frames: le64 = 0
    tx_65b_127b_frames: le64 = 0
    tx_128b_255b_frames: le64 = 0
    tx_256b_511b_frames: le64 = 0
    tx_512b_1023b_frames: le64 = 0
    tx_1024b_1518b_frames: le64 = 0
    tx_good_vlan_frames: le64 = 0
    tx_1519b_2047b_frames: le64 = 0
    tx_2048b_4095b_frames: le64 = 0
    tx_4096b_9216b_frames: le64 = 0
    tx_9217b_16383b_frames: le64 = 0
    tx_good_frames: le64 = 0
    tx_total_frames: le64 = 0
    tx_ucast_frames: le64 = 0
    tx_mcast_frames: le64 = 0
    tx_bcast_frames: le64 = 0
    tx_pause_frames: le64 = 0
    tx_pfc_frames: le64 = 0
    tx_jabber_frames: le64 = 0
    tx_fcs_err_frames: le64 = 0
    tx_control_frames: le64 = 0
    tx_oversz_frames: le64 = 0
    tx_single_dfrl_frames: le64 = 0
    tx_multi_dfrl_frames: le64 = 0
    tx_single_coll_frames: le64 = 0
    tx_multi_coll_frames: le64 = 0
    tx_late_coll_frames: le64 = 0
    tx_excessive_coll_frames: le64 = 0
    tx_frag_frames: le64 = 0
    tx_err: le64 = 0
    tx_tagged_frames: le64 = 0
    tx_dbl_tagged_frames: le64 = 0
    tx_runt_frames: le64 = 0
    tx_fifo_underruns: le64 = 0
    tx_pfc_ena_frames_pri0: le64 = 0
    tx_pfc_ena_frames_pri1: le64 = 0
    tx_pfc_ena_frames_pri2: le64 = 0
    tx_pfc_ena_frames_pri3: le64 = 0
    tx_pfc_ena_frames_pri4: le64 = 0
    tx_pfc_ena_frames_pri5: le64 = 0
    tx_pfc_ena_frames_pri6: le64 = 0
    tx_pfc_ena_frames_pri7: le64 = 0
    tx_eee_lpi_events: le64 = 0
    tx_eee_lpi_duration: le64 = 0
    tx_llfc_logical_msgs: le64 = 0
    tx_hcfc_msgs: le64 = 0
    tx_total_collisions: le64 = 0
    tx_bytes: le64 = 0
    tx_xthol_frames: le64 = 0
    tx_stat_discard: le64 = 0
    tx_stat_error: le64 = 0


@layout(size=488, c_name="rx_port_stats_ext")
class RxPortStatsExt(Layout):
    """Extended MAC counters, receive."""

    link_down_events: le64 = 0
    continuous_pause_events: le64 = 0
    resume_pause_events: le64 = 0
    continuous_roce_pause_events: le64 = 0
    resume_roce_pause_events: le64 = 0
    rx_bytes_cos0: le64 = 0
    rx_bytes_cos1: le64 = 0
    rx_bytes_cos2: le64 = 0
    rx_bytes_cos3: le64 = 0
    rx_bytes_cos4: le64 = 0
    rx_bytes_cos5: le64 = 0
    rx_bytes_cos6: le64 = 0
    rx_bytes_cos7: le64 = 0
    rx_packets_cos0: le64 = 0
    rx_packets_cos1: le64 = 0
    rx_packets_cos2: le64 = 0
    rx_packets_cos3: le64 = 0
    rx_packets_cos4: le64 = 0
    rx_packets_cos5: le64 = 0
    rx_packets_cos6: le64 = 0
    rx_packets_cos7: le64 = 0
    pfc_pri0_rx_duration_us: le64 = 0
    pfc_pri0_rx_transitions: le64 = 0
    pfc_pri1_rx_duration_us: le64 = 0
    pfc_pri1_rx_transitions: le64 = 0
    pfc_pri2_rx_duration_us: le64 = 0
    pfc_pri2_rx_transitions: le64 = 0
    pfc_pri3_rx_duration_us: le64 = 0
    pfc_pri3_rx_transitions: le64 = 0
    pfc_pri4_rx_duration_us: le64 = 0
    pfc_pri4_rx_transitions: le64 = 0
    pfc_pri5_rx_duration_us: le64 = 0
    pfc_pri5_rx_transitions: le64 = 0
    pfc_pri6_rx_duration_us: le64 = 0
    pfc_pri6_rx_transitions: le64 = 0
    pfc_pri7_rx_duration_us: le64 = 0
    pfc_pri7_rx_transitions: le64 = 0
    rx_bits: le64 = 0
    rx_buffer_passed_threshold: le64 = 0
    rx_pcs_symbol_err: le64 = 0
    rx_corrected_bits: le64 = 0
    rx_discard_bytes_cos0: le64 = 0
    rx_discard_bytes_cos1: le64 = 0
    rx_discard_bytes_cos2: le64 = 0
    rx_discard_bytes_cos3: le64 = 0
    rx_discard_bytes_cos4: le64 = 0
    rx_discard_bytes_cos5: le64 = 0
    rx_discard_bytes_cos6: le64 = 0
    rx_discard_bytes_cos7: le64 = 0
    rx_discard_packets_cos0: le64 = 0
    rx_discard_packets_cos1: le64 = 0
    rx_discard_packets_cos2: le64 = 0
    rx_discard_packets_cos3: le64 = 0
    rx_discard_packets_cos4: le64 = 0
    rx_discard_packets_cos5: le64 = 0
    rx_discard_packets_cos6: le64 = 0
    rx_discard_packets_cos7: le64 = 0
    rx_fec_corrected_blocks: le64 = 0
    rx_fec_uncorrectable_blocks: le64 = 0
    rx_filter_miss: le64 = 0
    rx_fec_symbol_err: le64 = 0


@layout(size=256, c_name="tx_port_stats_ext")
class TxPortStatsExt(Layout):
    """Extended MAC counters, transmit."""

    tx_bytes_cos0: le64 = 0
    tx_bytes_cos1: le64 = 0
    tx_bytes_cos2: le64 = 0
    tx_bytes_cos3: le64 = 0
    tx_bytes_cos4: le64 = 0
    tx_bytes_cos5: le64 = 0
    tx_bytes_cos6: le64 = 0
    tx_bytes_cos7: le64 = 0
    tx_packets_cos0: le64 = 0
    tx_packets_cos1: le64 = 0
    tx_packets_cos2: le64 = 0
    tx_packets_cos3: le64 = 0
    tx_packets_cos4: le64 = 0
    tx_packets_cos5: le64 = 0
    tx_packets_cos6: le64 = 0
    tx_packets_cos7: le64 = 0
    pfc_pri0_tx_duration_us: le64 = 0
    pfc_pri0_tx_transitions: le64 = 0
    pfc_pri1_tx_duration_us: le64 = 0
    pfc_pri1_tx_transitions: le64 = 0
    pfc_pri2_tx_duration_us: le64 = 0
    pfc_pri2_tx_transitions: le64 = 0
    pfc_pri3_tx_duration_us: le64 = 0
    pfc_pri3_tx_transitions: le64 = 0
    pfc_pri4_tx_duration_us: le64 = 0
    pfc_pri4_tx_transitions: le64 = 0
    pfc_pri5_tx_duration_us: le64 = 0
    pfc_pri5_tx_transitions: le64 = 0
    pfc_pri6_tx_duration_us: le64 = 0
    pfc_pri6_tx_transitions: le64 = 0
    pfc_pri7_tx_duration_us: le64 = 0
    pfc_pri7_tx_transitions: le64 = 0
