"""The acceptance tests of the SIP edge, each with what shows it."""

from tests.conformance import Row

_CLOCK = "virtual clock"
_LATER = "comes with call diagnostics"

ROWS: tuple[Row, ...] = (
    Row(
        1,
        "registered trunk: the registrar grants less than was asked; three refreshes in time",
        "Kamailio, virtual clock",
        (
            "sip/test_registration.py::test_a_registration_is_refreshed_before_it_ends",
            "peers/test_trunks.py::test_refreshes_and_a_registrar_that_dies_and_comes_back",
        ),
    ),
    Row(
        2,
        "wrong password: few attempts, longer and longer pauses, the reason over REST",
        "Kamailio, virtual clock",
        (
            "sip/test_registration.py::test_a_wrong_password_is_not_tried_often",
            "sip/test_registration.py::test_403_holds_off_longer_and_longer",
            "peers/test_trunks.py::test_a_wrong_password_is_told_and_not_tried_again_and_again",
        ),
    ),
    Row(
        3,
        "a stale nonce costs one more round, and its count begins at 1",
        _CLOCK,
        (
            "sip/test_registration.py::test_a_challenge_is_answered_and_its_nonce_used_again",
            "sip/test_digest.py::"
            "test_a_nonce_is_used_again_with_a_rising_count_and_a_new_one_starts_at_one",
        ),
    ),
    Row(
        4,
        "a nonce is used again with a rising count, without another challenge",
        _CLOCK,
        ("sip/test_registration.py::test_a_challenge_is_answered_and_its_nonce_used_again",),
    ),
    Row(
        5,
        "SHA-256, SHA-512-256, several challenges in one answer",
        "Kamailio (SHA-256), RFC 7616 examples",
        (
            "sip/test_digest.py::test_the_examples_of_rfc_7616",
            "sip/test_digest.py::"
            "test_of_several_challenges_the_first_known_algorithm_of_each_realm_is_answered",
            "peers/test_trunks.py::test_refreshes_and_a_registrar_that_dies_and_comes_back",
        ),
    ),
    Row(
        6,
        "423, 503 with Retry-After, 3xx to REGISTER",
        _CLOCK,
        (
            "sip/test_registration.py::test_the_registrar_says_how_to_ask",
            "sip/test_registration.py::test_a_busy_registrar_says_when_and_another_where",
        ),
    ),
    Row(
        7,
        "a registrar dies: the next SRV target on refusal in 2 s, on silence in 6 s; back later",
        "Kamailio, name server of the tests, virtual clock",
        (
            "sip/test_registration.py::test_the_next_target_at_once_on_refusal_and_soon_on_silence",
            "sip/test_registration.py::test_the_primary_is_used_again_when_it_is_well",
            "sip/test_sockets.py::test_a_port_where_nobody_listens_refuses_at_once",
            "peers/test_failover.py::test_a_target_that_refuses_gives_way_at_once",
            "peers/test_failover.py::test_a_second_srv_target_takes_over_and_gives_back",
        ),
    ),
    Row(
        8,
        "a graceful stop leaves no binding",
        "Kamailio",
        ("peers/test_trunks.py::test_a_registered_trunk_from_rest_to_a_call_each_way",),
    ),
    Row(
        9,
        "50 trunks start together: at most 5 REGISTER a second, all active in 30 s",
        "Kamailio, virtual clock",
        (
            "sip/test_registration.py::test_fifty_registrations_begin_at_five_requests_a_second",
            "peers/test_trunks.py::test_fifty_trunks_start_together",
        ),
    ),
    Row(
        10,
        "a call on a registered trunk from another address is matched by the Contact's token",
        "unit, user agent",
        (
            "calls/trunks/test_directory.py::test_the_line_token_counts_from_any_address",
            "peers/test_trunks.py::test_a_registered_trunk_from_rest_to_a_call_each_way",
        ),
    ),
    Row(
        11,
        "OPTIONS both ways: down after three misses, up on any answer; strangers get none",
        "sipsak, virtual clock",
        (
            "sip/test_registration.py::test_a_peer_is_down_after_three_misses_and_up_on_any_answer",
            "peers/test_strangers.py::test_a_known_peer_is_answered_and_a_scanner_is_not",
        ),
    ),
    Row(
        12,
        "a call in over UDP, TCP and TLS, IPv4 and IPv6",
        "SIPp, baresip",
        (
            "peers/test_dialogs.py::test_a_call_over_each_transport_and_ip_version",
            "peers/test_secure.py::test_a_call_over_tls_with_srtp",
            "sip/test_sockets.py::test_ipv6",
            "sip/test_tls.py::test_a_call_over_tls",
        ),
    ),
    Row(
        13,
        "a call out through 407",
        "Kamailio, SIPp",
        ("peers/test_trunks.py::test_a_registered_trunk_from_rest_to_a_call_each_way",),
        "the audio of a call through a proxy is compared in peers/test_calls.py",
    ),
    Row(
        14,
        "our 200 is never acknowledged: repeated for 32 s, then BYE",
        _CLOCK,
        ("sip/test_calls.py::test_our_200_without_an_ack_is_repeated_and_then_given_up",),
    ),
    Row(
        15,
        "repeated INVITE and BYE, late and doubled ACK: one call, the same answers",
        _CLOCK,
        (
            "sip/test_calls.py::test_doubled_messages_are_one_call",
            "sip/test_in_dialog.py::test_a_repeated_bye_gets_the_same_200",
        ),
    ),
    Row(
        16,
        "CANCEL before a provisional response, while it rings, crossing the 200",
        _CLOCK,
        (
            "sip/test_calls.py::test_cancel_before_any_answer_waits_for_a_provisional_one",
            "sip/test_calls.py::test_cancel_while_ringing",
            "sip/test_calls.py::test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended",
        ),
    ),
    Row(
        17,
        "only 408, 480, 503, 504 and a dead transport go on to another gateway",
        _CLOCK,
        (
            "sip/test_targets_of_calls.py::test_another_target_is_tried_when_one_is_out_of_service",
            "sip/test_targets_of_calls.py::test_an_answer_is_an_answer",
            "calls/test_endings.py::test_every_status_has_an_ending",
        ),
    ),
    Row(
        18,
        "a forked 2xx: one leg is kept, the other acknowledged and hung up",
        _CLOCK,
        ("sip/test_calls.py::test_a_fork_is_acknowledged_and_hung_up",),
    ),
    Row(
        19,
        "hold by sendonly, inactive and 0.0.0.0, and resume",
        "SIPp, PJSIP, virtual clock",
        (
            "media/sdp/test_sdp.py::test_hold_is_answered_in_kind",
            "media/sdp/test_sdp.py::test_the_old_hold_by_a_zero_address",
            "media/test_engine_speaking.py::test_hold_stops_sending_and_keeps_what_waits",
            "peers/test_dialogs.py::test_hold_and_resume",
            "peers/test_pjsip.py::test_a_call_that_is_held_and_resumed",
        ),
    ),
    Row(
        20,
        "INVITE and re-INVITE without an offer",
        "SIPp, virtual clock",
        (
            "sip/test_requests.py::"
            "test_an_invite_without_an_offer_gets_ours_and_answers_in_its_ack",
            "sip/test_in_dialog.py::"
            "test_a_re_invite_without_an_offer_gets_ours_and_answers_in_its_ack",
            "peers/test_dialogs.py::test_an_invite_without_an_offer",
        ),
    ),
    Row(
        21,
        "a re-INVITE with one codec left right after the ACK",
        "SIPp",
        ("peers/test_dialogs.py::test_the_peer_moves_and_leaves_one_codec",),
    ),
    Row(
        22,
        "the peer's media address changes in a call",
        "SIPp",
        ("peers/test_dialogs.py::test_the_peer_moves_and_leaves_one_codec",),
    ),
    Row(
        23,
        "offers that cross: 491, and who waits how long",
        _CLOCK,
        (
            "sip/test_glare.py::test_offers_that_cross_are_both_made_again_and_answered",
            "sip/test_glare.py::test_the_owner_of_the_call_id_waits_2_1_to_4_s",
            "sip/test_glare.py::test_the_other_side_waits_up_to_2_s",
        ),
    ),
    Row(
        24,
        "session timers: every refresher role, 422, expiry",
        "SIPp, virtual clock",
        (
            "sip/test_session_timer.py::test_who_refreshes_when_we_are_called",
            "sip/test_session_timer.py::test_who_refreshes_when_we_call",
            "sip/test_session_timer.py::"
            "test_a_short_interval_is_refused_422_to_those_who_know_timers",
            "sip/test_session_timer.py::test_a_call_that_nobody_refreshes_ends_before_its_time",
            "peers/test_dialogs.py::test_a_session_timer_is_agreed_and_too_short_a_one_refused",
        ),
    ),
    Row(
        25,
        "100rel as callee and caller, a lost PRACK",
        "SIPp, PJSIP, virtual clock",
        (
            "sip/test_reliable.py::test_a_prack_stops_the_repetition_and_another_one_is_unknown",
            "sip/test_reliable.py::test_early_media_and_then_the_answer_whatever_is_lost",
            "sip/test_reliable.py::test_the_answer_is_held_until_the_description_is_acknowledged",
            "peers/test_dialogs.py::test_a_caller_that_demands_reliable_responses",
            "peers/test_pjsip.py::test_a_call_that_is_held_and_resumed",
        ),
    ),
    Row(
        26,
        "UPDATE with and without a description, before and after the answer",
        "SIPp, virtual clock",
        (
            "sip/test_reliable.py::test_both_sides_update_before_the_answer",
            "sip/test_glare.py::test_updates_in_a_call",
            "peers/test_dialogs.py::test_an_update_in_a_call",
        ),
    ),
    Row(
        27,
        "REFER: blind, refused, unanswered, without a subscription; the result over REST",
        "SIPp, virtual clock",
        (
            "sip/test_transfer.py::test_a_blind_transfer_from_refer_to_the_last_notify",
            "sip/test_transfer.py::test_a_transfer_that_the_peer_refuses",
            "sip/test_transfer.py::test_a_peer_that_never_answers_the_refer",
            "sip/test_transfer.py::test_a_transfer_that_nobody_follows",
            "peers/test_dialogs.py::test_a_call_is_transferred_over_rest",
            "peers/test_dialogs.py::test_the_peer_sends_us_to_somebody_else",
        ),
    ),
    Row(
        28,
        "REFER with Replaces, and INVITE with Replaces",
        "SIPp, virtual clock",
        (
            "peers/test_dialogs.py::test_a_call_is_taken_over_by_another_and_goes_on",
            "sip/test_transfer.py::test_an_attended_transfer_between_three",
            "sip/test_transfer.py::test_a_call_takes_the_place_of_another",
            "sip/test_transfer.py::test_replacements_that_cannot_be",
        ),
    ),
    Row(
        29,
        "INFO with digits, MESSAGE, NOTIFY out of the blue",
        "SIPp, virtual clock",
        (
            "sip/test_doorkeeper.py::test_info_and_message",
            "peers/test_dialogs.py::test_keys_by_info_reach_the_timeline",
        ),
    ),
    Row(
        30,
        "405, 415, 416, 420, 482, 483, 488, 501, 505",
        "raw sockets, virtual clock",
        (
            "sip/test_requests.py::test_a_request_that_cannot_be_served_is_told_why",
            "sip/test_routes.py::test_our_own_invite_that_comes_back_is_a_loop",
            "media/sdp/test_sdp.py::test_no_common_ground_is_said_in_a_sentence",
        ),
    ),
    Row(
        31,
        "a T.38 re-INVITE is refused 488 and the call goes on",
        "SIPp",
        ("peers/test_dialogs.py::test_fax_is_refused_and_the_call_goes_on",),
    ),
    Row(
        32,
        "the torture messages of RFC 4475, each answered as it should be",
        "messages of the RFC",
        (
            "sip/test_torture.py::test_over_datagrams",
            "sip/test_torture.py::test_every_message_has_its_answer",
        ),
    ),
    Row(
        33,
        "IPv6 messages by the rules of RFC 5118",
        "messages of our own",
        ("sip/test_ipv6.py::test_rfc_5118", "sip/test_ipv6.py::test_there_are_twelve"),
    ),
    Row(
        34,
        "the same over TCP cut at every byte; slow senders; 64 KiB",
        "raw sockets",
        (
            "sip/test_torture.py::test_over_a_stream_cut_at_every_byte",
            "sip/test_sockets.py::test_a_stream_may_be_cut_at_every_byte",
            "sip/test_sockets.py::test_each_message_of_a_connection_has_its_deadline",
            "sip/test_endpoint.py::test_a_dripping_connection_is_closed",
        ),
    ),
    Row(
        35,
        "fuzzing: no crash, no stall over 50 ms",
        "Hypothesis, mutated corpus",
        (
            "sip/test_hostile.py::test_an_invite",
            "sip/test_hostile.py::test_requests_within_a_call",
            "sip/test_fuzz.py::test_mutated_messages_are_taken_without_an_exception",
        ),
        "`bench/fuzz_sip.py` runs it for ten minutes",
    ),
    Row(
        36,
        "scanners get silence, forged BYEs nothing",
        "SIPVicious, raw sockets",
        (
            "peers/test_strangers.py::test_a_known_peer_is_answered_and_a_scanner_is_not",
            "sip/test_requests.py::test_a_stranger_cannot_hang_up_a_call",
        ),
    ),
    Row(
        37,
        "toll fraud: refused before any SIP packet",
        "SIPp",
        ("peers/test_strangers.py::test_what_nobody_permitted_is_not_called",),
    ),
    Row(
        38,
        "overload and no free port: 503 with Retry-After",
        "SIPp",
        (
            "peers/test_strangers.py::test_a_full_house_says_when_to_come_again",
            "calls/trunks/test_directory.py::"
            "test_overload_turns_callers_away_and_tells_strangers_nothing",
        ),
        "the pace of the calls that live is measured in bench/README.md, not at three times the "
        "capacity",
    ),
    Row(
        39,
        "SIGTERM: 503 to new calls, live ones finish, unregistered last",
        "SIPp, Kamailio",
        ("peers/test_strangers.py::test_a_stop_lets_live_calls_end",),
    ),
    Row(
        40,
        "no private address in what leaves when an advertised one is set",
        "tshark",
        ("peers/test_strangers.py::test_only_the_advertised_address_leaves",),
    ),
    Row(
        41,
        "identity, privacy, diversion and PASSporT to REST",
        "SIPp",
        (
            "sip/test_identity.py::test_every_header_is_told_as_it_came",
            "peers/test_dialogs.py::test_who_calls_is_told_over_rest",
        ),
        "the PASSporT is decoded, its signature not verified",
    ),
    Row(
        42,
        "G.711: every input as the standard says",
        "unit",
        (
            "codecs/test_g711.py::test_every_sample_is_encoded_as_the_standard_says",
            "codecs/test_g711.py::test_every_octet_is_decoded_as_the_standard_says",
        ),
    ),
    Row(
        43,
        "sending pace of 1 and of 100 calls",
        "tshark",
        (
            "peers/test_calls.py::"
            "test_a_sipp_caller_is_sent_50_packets_a_second_and_the_call_keeps_every_one",
        ),
        "one call; 50 calls are measured in bench/README.md",
    ),
    Row(
        44,
        "loss, jitter, reordering and doubling on the line",
        "impaired line, virtual clock",
        (
            "media/test_engine_hearing.py::test_a_lost_packet_is_concealed_in_its_place",
            "media/test_engine_hearing.py::test_reordered_and_doubled_packets_are_put_right",
            "media/test_line.py::test_a_hole_on_a_jittery_line_does_not_empty_the_buffer",
            "media/test_bridges.py::test_sound_is_held_as_long_as_its_line_needs",
            "media/test_concealment.py",
        ),
        "Gilbert-Elliott loss of 1, 3, 5 %: STOI above repeat-and-fade; between callers sound is "
        "held for 95 % of the jitter and at most 23 ms",
    ),
    Row(
        45,
        "clock drift of 200 ppm over ten minutes, both ways",
        _CLOCK,
        ("media/test_bridges.py::test_clocks_that_run_apart_for_ten_minutes",),
        "no underrun, 0 frames concealed, drift told within 20 ppm",
    ),
    Row(
        46,
        "a new SSRC, jumps of sequence and timestamp",
        _CLOCK,
        ("media/test_engine_hearing.py::test_a_new_ssrc_goes_on_with_at_most_one_frame_missing",),
    ),
    Row(
        47,
        "packets of 10 to 60 ms",
        _CLOCK,
        (
            "media/test_engine_hearing.py::test_packets_of_10_to_60_ms",
            "media/test_pacing.py::test_packets_hold_what_was_agreed_and_time_runs_on",
        ),
        "10 ms packets leave in pairs, every 20 ms",
    ),
    Row(
        48,
        "a NAT is learned after four packets; a third source never gets in",
        _CLOCK,
        (
            "media/test_engine_hearing.py::"
            "test_a_peer_behind_a_nat_is_learned_after_four_packets_and_kept",
            "media/test_engine_hearing.py::test_wrong_packets_are_counted_and_change_nothing",
            "media/test_watch.py::test_each_stranger_is_told_once_and_never_heard",
        ),
    ),
    Row(
        49,
        "digits by RFC 4733 in: no marker, lost and tripled ends, long ones",
        _CLOCK,
        (
            "media/rtp/test_telephone_event.py::"
            "test_a_digit_is_told_once_though_its_end_comes_three_times",
            "media/rtp/test_telephone_event.py::"
            "test_a_lost_end_is_made_up_by_the_next_digit_or_by_time",
            "media/rtp/test_telephone_event.py::test_a_digit_of_twenty_seconds_is_one_digit",
        ),
    ),
    Row(
        50,
        "digits by RFC 4733 out",
        "SIPp, tshark, virtual clock",
        ("peers/test_dialogs.py::test_keys_are_pressed_over_rest",),
    ),
    Row(
        51,
        "digits in the audio",
        "unit",
        ("media/test_tone_keys.py",),
        "talk-off is measured by `bench/dtmf.py` on synthetic voices",
    ),
    Row(
        52,
        "comfort noise in",
        _CLOCK,
        (
            "media/test_comfort.py::test_a_silence_on_purpose_is_neither_loss_nor_concealed",
            "media/test_comfort.py::test_our_silence_is_a_small_packet_every_200_ms",
        ),
    ),
    Row(
        53,
        "G.722 and Opus",
        "baresip",
        (
            "peers/test_wideband.py::test_a_call_in_wideband",
            "media/test_wide.py::test_what_we_say_is_understood",
        ),
        "likeness of the recording to what was played over 0.95",
    ),
    Row(
        54,
        "RTCP: reports, round trip",
        _CLOCK,
        (
            "media/test_engine_hearing.py::test_rtcp_tells_loss_and_round_trip",
            "media/rtp/test_xr.py",
            "media/test_loss_quality.py",
            "media/test_dtls.py::test_reports_go_between_the_rtp_ports",
        ),
        "RTCP has its own port, or shares that of RTP if the peer offers it or by DTLS",
    ),
    Row(
        55,
        "SRTP with keys in SDP, four suites, unpadded key, replay; keys by DTLS",
        "baresip, rtpengine, PJSIP, libsrtp",
        (
            "media/test_srtp.py::test_audio_goes_both_ways_and_the_capture_is_plain",
            "media/test_srtp.py::test_forged_replayed_and_plain_packets_are_dropped_and_counted",
            "media/sdp/test_sdes.py::test_a_key_without_its_padding_is_read_and_ours_is_padded",
            "media/test_dtls.py::test_audio_goes_both_ways_once_the_certificates_are_proved",
            "media/test_dtls.py::test_a_wrong_certificate_secures_nothing",
            "peers/test_secure.py::test_a_call_over_tls_with_srtp",
            "peers/test_secure.py::test_a_call_whose_keys_are_agreed_on_by_dtls",
            "peers/test_secure.py::test_a_border_controller_that_secures_plain_calls",
            "peers/test_pjsip.py::test_a_call_that_is_held_and_resumed",
        ),
    ),
    Row(
        56,
        "no audio: flagged, and not during hold",
        _CLOCK,
        (
            "media/test_engine_hearing.py::test_silence_of_the_peer_is_told_once_and_not_on_hold",
            "peers/test_dialogs.py::test_a_call_without_audio_is_ended",
        ),
    ),
    Row(
        57,
        "after a flush not one old sample leaves",
        "virtual clock, kernel stamps",
        ("media/test_engine_speaking.py::test_after_a_flush_not_one_old_sample_leaves",),
    ),
    Row(
        58,
        "nothing is left of many calls",
        "SIPp, virtual clock",
        (
            "sip/test_bounds.py::test_nothing_is_left_of_calls_when_their_time_is_over",
            "sip/test_session_timer.py::"
            "test_between_two_of_us_the_caller_refreshes_by_update_and_the_call_lives",
        ),
        "500 calls of 2 s by `bench/soak.py`: dialogs, transactions, tasks and descriptors as "
        "before, memory 118 → 130 MB after 250 calls, 132 MB after 500; the long call is 90 "
        "minutes of virtual time, of signalling alone",
    ),
    *(
        Row(number, what, note=_LATER)
        for number, what in enumerate(
            (
                "the capture of each call, decrypted and annotated",
                "statistics as tshark counts them",
                "verdicts of captures",
                "the speed of a verdict",
                "what capturing costs",
                "export by HEP3",
                "ladder and stereo audio",
            ),
            59,
        )
    ),
    Row(
        66,
        "capacity",
        note="100 calls a second on one core: 1.2 ms of CPU a call, INVITE→100 p99 0.9 ms, "
        "INVITE→200 p99 1.3 ms (`bench/setup_rate.py`, without media); calls with media come with "
        "the media engine",
    ),
)
