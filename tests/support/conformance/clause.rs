//! Every clause that is checked, by name, with the section it is from.
//!
//! Here: names and sections. Not here: what each one tests (`clauses/`). A section with a letter is of
//! an appendix: `B.1` is the low-latency server profile, whose words are rarely in capitals but whose
//! demands are what a low-latency player relies on.

use Level::{Must, Should};
use Scene::*;

/// How strongly the draft asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// MUST, SHALL, REQUIRED; in Appendix B, a requirement of the profile.
    Must,
    /// SHOULD, RECOMMENDED.
    Should,
}

/// What has to happen in a run before a clause can be exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Parts, hints and blocking reloads are offered.
    LowLatency,
    /// Parts long enough after their tag went are asked for.
    PartsLeft,
    /// Segments left the list.
    Removal,
    /// Delta updates had something to skip.
    Delta,
    /// A discontinuity is listed.
    Discontinuity,
    /// A discontinuity is listed after segments left the list.
    DiscontinuityRemoval,
    /// The configuration of a track changes.
    Change,
    /// The live ends while it is watched.
    End,
    /// Media is fMP4.
    Fmp4,
    /// Media is MPEG-TS.
    Ts,
    /// There are pictures.
    Video,
    /// More than thirty pictures a second.
    Fast,
    /// More than one media playlist of the same multivariant playlist.
    Renditions,
    /// Several sounds to choose from.
    Sounds,
    /// The same media in several media playlists, of one multivariant playlist or of several.
    Twins,
    /// Something is marked as a gap.
    Gap,
    /// Date ranges come and go.
    DateRanges,
    /// A blocked request outlasts three target durations.
    Stall,
    /// The server knows of another map before it has the first part that needs it.
    PlannedChange,
}

/// One rule of the draft.
#[derive(Debug)]
pub struct Clause {
    /// A sentence in snake case: what holds when the rule is kept.
    pub name: &'static str,
    /// Where the rule stands.
    pub section: &'static str,
    /// How strongly.
    pub level: Level,
    /// What a run needs for it; nothing when every run exercises it.
    pub needs: &'static [Scene],
}

/// The clause of that name.
pub fn clause(name: &str) -> &'static Clause {
    let found = CLAUSES.iter().find(|clause| clause.name == name);
    found.unwrap_or_else(|| panic!("{name} is in no line of the table of clauses"))
}

const fn of(
    name: &'static str,
    section: &'static str,
    level: Level,
    needs: &'static [Scene],
) -> Clause {
    Clause { name, section, level, needs }
}

/// All of them, in the order of the report.
pub const CLAUSES: &[Clause] = &[
    // The text of a playlist.
    of("playlist_is_plain_utf8", "4.1", Must, &[]),
    of("extm3u_is_the_first_line", "4.4.1.1", Must, &[]),
    of("attribute_lists_are_well_formed", "4.2", Must, &[]),
    of("required_attributes_are_there", "4.4", Must, &[]),
    of("version_appears_once", "4.4.1.2", Must, &[]),
    of("version_is_high_enough", "8", Must, &[]),
    of("version_is_no_higher_than_needed", "6.2.1", Should, &[]),
    of("media_playlist_tags_appear_once", "4.4.3", Must, &[]),
    of("every_segment_has_extinf", "4.4.4.1", Must, &[]),
    of("sequence_numbers_stand_before_the_first_segment", "4.4.3.2", Must, &[]),
    // The list and how it may change.
    of("target_duration_is_there", "4.4.3.1", Must, &[]),
    of("target_duration_never_changes", "6.2.1", Must, &[]),
    of("extinf_rounds_within_the_target", "4.4.3.1", Must, &[]),
    of("live_has_no_playlist_type", "6.2.2", Must, &[]),
    of("media_sequence_never_decreases", "6.2.2", Must, &[]),
    of("media_sequence_counts_removals", "6.2.2", Must, &[Removal]),
    of("media_sequence_is_there_after_removals", "6.2.2", Must, &[Removal]),
    of("discontinuity_sequence_never_decreases", "6.2.2", Must, &[]),
    of("discontinuity_sequence_counts_removals", "6.2.2", Must, &[Removal]),
    of("discontinuity_sequence_is_there_after_removals", "6.2.2", Must, &[DiscontinuityRemoval]),
    of("listed_segment_keeps_its_uri", "6.2.1", Must, &[]),
    of("listed_segment_keeps_its_duration", "6.2.1", Must, &[]),
    of("listed_segment_keeps_its_tags", "6.2.1", Must, &[]),
    of("listed_segment_keeps_its_discontinuity", "6.2.1", Must, &[]),
    of("listed_segments_stay_until_removed", "6.2.1", Must, &[]),
    // Stricter than the draft: what is cached for ever must not name two things.
    of("uri_names_one_segment", "6.2.2", Should, &[]),
    of("same_edge_same_playlist", "6.2.1", Must, &[]),
    of("window_holds_three_targets", "6.2.2", Must, &[Removal]),
    of("new_segment_comes_in_time", "6.2.1", Must, &[]),
    of("endlist_is_final", "4.4.3.4", Must, &[End]),
    of("ended_live_has_endlist", "6.2.1", Must, &[End]),
    of("every_fmp4_segment_has_a_map", "3.1.2", Must, &[Fmp4]),
    of("gap_segments_have_gap_parts", "6.2.1", Must, &[Gap, LowLatency]),
    // Dates.
    of("every_playlist_has_dates", "B.1", Must, &[]),
    of("dates_have_a_zone_and_milliseconds", "4.4.4.6", Should, &[]),
    of("every_discontinuity_has_a_date", "6.2.1", Should, &[Discontinuity]),
    of("dates_are_unambiguous", "6.2.1", Must, &[]),
    of("dates_follow_durations", "6.2.1", Should, &[]),
    of("dateranges_come_with_dates", "4.4.5.1", Must, &[DateRanges]),
    of("dateranges_stay_while_they_map", "6.2.1", Must, &[DateRanges]),
    // Parts.
    of("part_inf_comes_with_parts", "4.4.3.7", Must, &[LowLatency]),
    of("part_target_never_changes", "6.2.1", Must, &[LowLatency]),
    of("part_is_within_the_part_target", "4.4.4.9", Must, &[LowLatency]),
    // Every part of sound alone is independent, and excepted.
    of("part_is_at_least_85_percent", "4.4.4.9", Must, &[LowLatency, Video]),
    of("segment_tags_stand_before_the_first_part", "4.4.4.9", Must, &[LowLatency]),
    of("listed_part_never_changes", "6.2.1", Must, &[LowLatency]),
    of("uri_names_one_part", "6.2.1", Should, &[LowLatency]),
    of("parts_leave_in_order", "6.2.2", Must, &[LowLatency]),
    of("part_tags_leave_after_three_targets", "6.2.2", Should, &[LowLatency]),
    of("new_part_comes_in_time", "6.2.1", Must, &[LowLatency]),
    of("extinf_is_the_sum_of_its_parts", "3.2", Must, &[LowLatency]),
    of("parts_hold_the_samples_of_their_segment", "3.2", Must, &[LowLatency, Fmp4]),
    of("parts_are_the_bytes_of_their_segment", "3.2", Should, &[LowLatency]),
    of("independent_parts_hold_a_sync_sample", "4.4.4.9", Must, &[LowLatency, Fmp4, Video]),
    of("parts_with_a_sync_sample_are_independent", "4.4.4.9", Should, &[LowLatency, Fmp4, Video]),
    of("part_duration_is_that_of_its_samples", "4.4.4.9", Must, &[LowLatency, Fmp4]),
    // Server control.
    // Low-latency mode is parts, hints and blocking reload together.
    of("reload_may_block", "2", Must, &[LowLatency]),
    of("part_hold_back_comes_with_parts", "4.4.3.8", Must, &[LowLatency]),
    of("part_hold_back_is_two_part_targets", "4.4.3.8", Must, &[LowLatency]),
    of("part_hold_back_is_three_part_targets", "4.4.3.8", Should, &[LowLatency]),
    of("hold_back_is_three_targets", "4.4.3.8", Must, &[LowLatency]),
    of("skip_boundary_is_six_targets", "4.4.3.8", Must, &[LowLatency]),
    of("skipping_dateranges_needs_skipping", "4.4.3.8", Must, &[DateRanges, LowLatency]),
    of("server_control_never_changes", "6.2.1", Must, &[LowLatency]),
    of("server_control_is_the_same_in_all", "6.2.4", Must, &[LowLatency, Renditions]),
    // Hints and reports.
    of("a_part_is_hinted_while_live", "B.1", Must, &[LowLatency]),
    of("no_hint_after_the_end", "4.4.5.3", Must, &[LowLatency, End]),
    of("one_hint_of_each_type", "6.2.6", Should, &[LowLatency]),
    of("the_hinted_part_comes_next", "4.4.5.3", Must, &[LowLatency]),
    of("a_new_map_is_hinted", "B.1", Must, &[LowLatency, PlannedChange]),
    of("hinted_resources_are_served", "6.2.6", Must, &[LowLatency]),
    of("held_parts_come_at_full_speed", "6.2.6", Must, &[LowLatency]),
    of("a_resource_neither_listed_nor_hinted_is_404", "6.2.6", Should, &[]),
    of("every_other_rendition_is_reported", "B.1", Must, &[LowLatency, Renditions]),
    of("reports_have_relative_uris", "4.4.5.4", Must, &[LowLatency, Renditions]),
    of("reports_tell_msn_and_part", "4.4.5.4", Must, &[LowLatency, Renditions]),
    of("reports_are_up_to_date", "4.4.5.4", Must, &[LowLatency, Renditions]),
    // Delta updates.
    of("a_delta_is_given_when_asked", "6.2.5.1", Must, &[LowLatency, Delta]),
    of("skip_is_ignored_when_it_must", "6.2.5.1", Must, &[End]),
    of("skip_appears_once", "4.4.5.2", Must, &[LowLatency, Delta]),
    of("all_beyond_the_skip_boundary_is_skipped", "6.2.5.1", Must, &[LowLatency, Delta]),
    of("nothing_within_the_skip_boundary_is_skipped", "6.2.5.1", Must, &[LowLatency, Delta]),
    of("skip_leaves_the_discontinuity_sequence", "4.4.5.2", Must, &[LowLatency, Delta]),
    of("a_delta_is_the_rest_of_the_whole", "6.2.5.1", Must, &[LowLatency, Delta]),
    of("v2_tells_the_removed_dateranges", "6.2.5.1", Must, &[LowLatency, Delta, DateRanges]),
    of("v2_leaves_out_old_dateranges", "6.2.5.1", Must, &[LowLatency, Delta, DateRanges]),
    // Blocking reload.
    of("msn_alone_waits_for_the_segment", "6.2.5.2", Must, &[LowLatency]),
    of("msn_and_part_wait_for_the_part", "6.2.5.2", Must, &[LowLatency]),
    of("past_the_last_part_is_the_next_segment", "6.2.5.2", Must, &[LowLatency]),
    of("a_blocked_request_wakes_with_its_edge", "6.2.5.2", Must, &[LowLatency]),
    of("what_is_there_is_answered_at_once", "6.2.5.2", Must, &[LowLatency]),
    of("what_comes_soon_is_not_refused", "6.2.5.2", Must, &[LowLatency]),
    of("part_without_msn_is_400", "6.2.5.2", Must, &[LowLatency]),
    of("a_far_msn_is_400_at_once", "6.2.5.2", Should, &[LowLatency]),
    of("a_far_part_is_400_at_once", "6.2.5.2", Should, &[LowLatency]),
    of("blocking_ends_with_503", "6.2.5.2", Should, &[LowLatency, Stall]),
    of("directives_are_ignored_after_the_end", "6.2.5.2", Must, &[LowLatency, End]),
    // Delivery.
    of("playlists_have_their_content_type", "4", Must, &[]),
    of("playlists_are_gzipped_when_welcome", "6.2.1", Should, &[]),
    of("gzip_only_when_welcome", "6.2.1", Must, &[]),
    // Not of the draft but of the Fetch Standard, without which no page plays anything.
    of("everything_may_be_read_by_pages", "Fetch, CORS", Should, &[]),
    of("plain_playlists_keep_half_a_target", "B.1", Should, &[]),
    of("blocking_playlists_keep_six_targets", "B.1", Should, &[LowLatency]),
    of("failed_plain_playlists_keep_one_target", "B.1", Should, &[]),
    of("failed_blocking_playlists_keep_four_targets", "B.1", Should, &[LowLatency]),
    of("segments_keep_six_targets", "B.1", Should, &[]),
    of("failed_segments_keep_one_target", "B.1", Should, &[]),
    of("listed_segments_are_there", "6.2.1", Must, &[]),
    of("listed_parts_are_there", "6.2.1", Must, &[LowLatency]),
    of("listed_maps_are_there", "3.1.2", Must, &[Fmp4]),
    of("segment_bytes_never_change", "6.2.1", Must, &[]),
    of("part_bytes_never_change", "6.2.1", Must, &[LowLatency]),
    of("removed_segments_stay_for_a_playlist", "6.2.2", Must, &[Removal]),
    of("removed_parts_stay_for_three_targets", "6.2.2", Must, &[LowLatency, PartsLeft]),
    // Media.
    of("maps_are_well_formed", "3.1.2", Must, &[Fmp4]),
    of("fragments_are_well_formed", "3.1.2", Must, &[Fmp4]),
    of("media_continues_from_segment_to_segment", "3", Must, &[Fmp4]),
    of("extinf_is_the_duration_of_the_samples", "3", Must, &[Fmp4]),
    of("another_encoding_is_a_discontinuity", "4.4.4.3", Must, &[Fmp4, Change]),
    of("independent_segments_open_on_a_sync_sample", "4.4.2.1", Must, &[Fmp4, Video]),
    of("every_segment_has_a_sync_sample", "3", Should, &[Fmp4, Video]),
    of("ts_segments_open_with_their_tables", "3.1.1", Should, &[Ts]),
    // The multivariant playlist.
    of("bandwidth_is_there", "4.4.6.2", Must, &[]),
    of("bandwidth_covers_the_peak", "4.4.6.2", Should, &[]),
    of("average_bandwidth_covers_the_average", "4.4.6.2", Should, &[]),
    of("codecs_are_there", "4.4.6.2", Should, &[]),
    of("codecs_name_every_format", "6.2.4", Must, &[Fmp4]),
    of("resolution_is_that_of_the_pictures", "4.4.6.2", Should, &[Fmp4, Video]),
    of("frame_rate_is_told_above_thirty", "4.4.6.2", Should, &[Fmp4, Video, Fast]),
    of("frame_rate_has_three_decimals", "4.4.6.2", Must, &[Video]),
    of("frame_rate_is_that_of_the_pictures", "4.4.6.2", Must, &[Fmp4, Video]),
    of("independent_segments_is_said_once", "4.4.2.1", Should, &[]),
    of("the_group_of_a_variant_is_there", "4.4.6.2", Must, &[Sounds]),
    of("members_of_a_group_have_different_names", "4.4.6.1.1", Must, &[Sounds]),
    of("one_member_of_a_group_is_the_default", "4.4.6.1.1", Must, &[Sounds]),
    of("members_that_are_chosen_for_viewers_differ", "4.4.6.1.1", Should, &[Sounds]),
    // Several renditions.
    of("renditions_share_the_target_duration", "6.2.4", Must, &[Twins]),
    of("renditions_share_discontinuities", "6.2.4", Must, &[Twins]),
    of("renditions_share_sequence_numbers", "6.2.4", Should, &[Twins]),
    of("renditions_share_dates", "6.2.4", Must, &[Twins]),
    of("renditions_move_in_step", "B.1", Must, &[Renditions, LowLatency]),
];
