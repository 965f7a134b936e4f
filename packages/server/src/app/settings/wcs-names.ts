/**
 * Settings of WCS that exist but that this server does not have yet, by family. A file that has them is read as it is;
 * each one gives a warning that says so, unlike a name that nobody knows.
 */
const BY_FAMILY = {
  ports: `rtmfp.port cdn_port port_from port_to media_port_to wcs_agent_port_from wcs_agent_port_to outbound_port`,
  server: `ip_local hold_ip_settings disable_manager_rmi client_mode client_log_level
    client_dump_level enable_extended_logging wss.cert.password wss.keystore.password user_agent
    load_balancing_enabled`,
  rest: `auto_login_url get_callee_url balance_header cost_header`,
  rtmp: `disable_streaming_proxy`,
  hls: `hls_hold_segments_before_delete hls_hold_segments_size hls_manifest_file hls_master_playlist_enabled
    hls_player_height hls_player_width hls_segment_name_suffix_randomizer_enabled hls_static_dir hls_static_enabled
    hls_store_segment_in_memory frame_cnt_to_determine_their_type`,
  vod: `vod_mp4_container_isoparser_heap_datasource`,
  recording: `record_mixer_streams mp4_container_write_header_on_fly webm_java_writer_enable
    webm_java_cluster`,
  webrtc: `rtp_bundle compact_media_port_usage ice_tcp_nio`,
  codecs: `codecs_exclude_sfu codecs_exclude_sip codecs_exclude_sip_rtmp use_fdk_aac use_speex_java_impl
    h264_sps_rbsp_scale h264_strict_kframe_detect
    video_enabled video_filter_enable_fps video_filter_enable_rotate video_filter_fps
    video_filter_fps_gop_synchronization streaming_video_decoder_fast_start
    transcoder_agent_activity_timer_timeout custom_watermark_filename custom_watermark_mix watermark_x watermark_y`,
  mixer: `audio_mixer_output_channels audio_mixer_output_codec audio_mixer_output_sample_rate
    mixer_activity_timer_timeout mixer_audio_threads mixer_auto_start mixer_desktop_align
    mixer_desktop_layout_key_word mixer_display_stream_name mixer_font_size mixer_font_size_audio_only
    mixer_idle_timeout mixer_in_buffering_ms mixer_layout_class mixer_layout_dir
    mixer_lossless_video_processor_enabled mixer_lossless_video_processor_max_mixer_buffer_size_ms
    mixer_lossless_video_processor_wait_time_ms mixer_mcu_audio mixer_mcu_video mixer_out_buffer_enabled
    mixer_out_buffer_start_size mixer_realtime mixer_text mixer_text_autoscale mixer_text_background_colour
    mixer_text_background_opacity mixer_text_colour mixer_text_cut_top mixer_text_outside_frame
    mixer_text_outside_frame_padding mixer_type mixer_use_center_no_padding_layout mixer_video_bitrate_kbps
    mixer_video_fps mixer_video_gop mixer_video_height mixer_video_quality mixer_video_threads mixer_video_width
    mixer_voice_activity mixer_voice_activity_frame_position_inner mixer_voice_activity_frame_thickness`,
  cdn: `cdn_allowed_ips cdn_enabled cdn_groups cdn_ip cdn_nodes_resolve_ip cdn_nodes_timeout cdn_point_of_entry
    cdn_role cdn_transport info_relay`,
  sip: `domain outbound_proxy sip_add_contact_id enable_local_videochat`,
};

/** Names of WCS settings that are known and not supported yet. */
export const UNSUPPORTED_WCS_NAMES: ReadonlySet<string> = new Set(Object.values(BY_FAMILY).join(' ').split(/\s+/));
