//! Small hosts, each for one rule: `fixtures/cases/<name>.zip`, with what happened in words and what a right analysis says in
//! `<name>.json`. The programs in `fixtures/build` that end with `_cases.py` write them.

use crate::program::{comtrail, text};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases")
}

/// What stands at a pointer; at one that ends with `/#` the length of the list.
fn told(report: &Value, pointer: &str) -> Value {
    match pointer.strip_suffix("/#") {
        Some(list) => Value::from(report.pointer(list).and_then(Value::as_array).map(Vec::len)),
        None => report.pointer(pointer).cloned().unwrap_or_default(),
    }
}

/// Whether a value is the expected one: the same, or a text (or a list or an object, as text) that has or lacks some words.
fn agrees(value: &Value, expected: &Value) -> bool {
    let words = |name: &str| expected.get(name).and_then(Value::as_str);
    let shown = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (words("has"), words("lacks")) {
        (Some(has), _) => shown().contains(has),
        (_, Some(lacks)) => !value.is_null() && !shown().contains(lacks),
        _ => value == expected,
    }
}

fn check(name: &str) {
    let case: Value = serde_json::from_slice(&std::fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("case");
    let source = folder().join(format!("{name}.zip"));
    let output = comtrail(&["run", text(&source), "-o", text(&to), "--quiet"]);
    let status = output.status.code();
    assert!(matches!(status, Some(0 | 2)), "exit {status:?}: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(to.join("report.json")).unwrap()).unwrap();
    let expected: &Map<String, Value> = case["expect"].as_object().unwrap();
    assert!(!expected.is_empty());
    let mut wrong: Vec<String> = expected
        .iter()
        .map(|(pointer, expected)| (pointer, told(&report, pointer), expected))
        .filter(|(_, value, expected)| !agrees(value, expected))
        .map(|(pointer, value, expected)| format!("{pointer}: {value}, and right is {expected}"))
        .collect();
    if let Some(exit) = case.get("exit").filter(|exit| exit.as_i64() != status.map(i64::from)) {
        wrong.push(format!("exit {status:?}, and right is {exit}"));
    }
    assert!(wrong.is_empty(), "{}\n{}", case["told"], wrong.join("\n"));
}

/// One test for each case, named as the case is.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! {
    j_10_a_run_that_only_free_space_tells_of_is_said_to_be_recovered
    j_10_an_attempt_that_only_free_space_tells_of_is_said_to_be_recovered
    j_10_an_intact_copy_in_another_file_is_the_one_that_counts
    j_10_the_intact_copy_of_a_record_is_the_one_that_counts
    j_11_a_target_account_that_is_not_set_is_not_the_user
    j_12_a_slot_in_1601_is_no_run
    j_12_a_slot_in_the_year_30828_is_no_run
    j_12_where_no_slot_holds_a_possible_time_no_run_is_dated
    j_13_where_summer_time_is_not_switched_off_local_time_has_it
    j_13_where_summer_time_is_switched_off_local_time_has_none
    j_14_a_boot_with_a_new_name_ends_the_one_before_it
    j_1_a_changed_record_is_settled_by_the_journal
    j_1_a_changed_record_without_the_journal_is_not_settled
    j_1_a_copy_with_an_old_modified_time_is_not_the_file_that_ran
    j_1_a_creation_that_sysmon_recorded_raises_the_doubt
    j_1_a_deletion_that_sysmon_recorded_raises_the_doubt
    j_1_a_file_in_the_recycle_bin_is_named
    j_1_a_file_replaced_within_the_second_of_the_run_does_not_answer
    j_1_a_file_that_took_the_name_is_not_the_one_that_ran
    j_1_a_file_that_was_renamed_away_is_said_to_be_elsewhere
    j_1_a_file_with_earlier_times_is_the_one_that_ran
    j_1_a_file_written_over_in_place_does_not_answer
    j_1_a_folder_further_up_that_took_the_name_leads_to_another_file
    j_1_a_folder_that_took_the_name_leads_to_another_file
    j_1_a_journal_that_begins_after_the_run_settles_nothing
    j_1_a_stream_beside_the_content_is_not_the_content
    j_1_another_file_record_in_the_prefetch_file_is_another_file
    j_1_another_hash_at_the_load_is_another_file
    j_1_names_in_another_case_are_the_same_path
    j_1_the_file_record_in_the_prefetch_file_is_that_of_today
    j_1_the_file_table_of_another_volume_shows_nothing
    j_1_the_file_that_was_renamed_away_is_the_one_judged
    j_1_the_hash_at_the_load_is_that_of_today
    j_1_times_set_back_do_not_make_it_the_file_that_ran
    j_1_what_is_written_through_a_hard_link_is_written_into_the_file
    j_1_without_file_system_nothing_shows_a_replacement
    j_2_a_copy_of_another_generation_and_processor
    j_2_a_copy_without_the_hosts_own_to_compare_with
    j_2_a_patched_copy_is_said_to_be_that
    j_2_a_renamed_copy_that_only_a_usage_log_records
    j_2_a_renamed_copy_that_only_bam_records
    j_2_a_renamed_copy_that_only_the_audit_records
    j_2_a_renamed_copy_whose_payload_is_named_regasm
    j_2_a_usage_log_of_a_renamed_copy_is_joined_to_its_run
    j_2_programs_that_are_not_the_tool
    j_2_where_no_record_names_programs_coverage_says_so
    j_2_where_the_image_is_gone_coverage_says_so
    j_3_a_late_record_of_sysmon_is_no_second_run
    j_3_the_start_is_when_it_was_and_not_when_it_was_logged
    j_4_a_boot_in_which_the_clock_was_set_back_ends_in_the_order_of_records
    j_4_a_clock_set_back_during_a_run_leaves_one_run_with_its_exit_status
    j_4_a_clock_set_forward_corrects_what_was_before
    j_4_a_log_that_was_archived_goes_on_in_the_next_file
    j_4_a_person_sets_the_clock_back_and_the_time_service_sets_it_right
    j_4_a_process_of_an_earlier_boot_is_no_parent
    j_4_a_restart_of_which_only_the_log_service_tells_is_one
    j_4_an_end_with_an_earlier_time_than_its_start_is_of_the_same_run
    j_4_logs_with_a_gap_between_their_numbers_say_nothing_of_the_clock
    j_4_one_record_with_a_later_time_is_no_change_of_the_clock
    j_4_the_number_of_a_process_is_reused_across_a_clock_set_back
    j_4_the_small_steps_of_a_time_service_are_no_changes
    j_4_what_the_audit_says_of_the_clock_orders_sysmon
    j_4_what_the_kernel_says_of_the_clock_orders_sysmon
    j_4_where_a_restart_may_lie_between_them_a_process_is_not_called_the_parent
    j_5_a_32_bit_tool_means_system32_by_sysnative
    j_5_a_32_bit_tool_means_syswow64_by_system32
    j_5_a_64_bit_tool_means_system32
    j_5_the_redirector_leaves_its_exemptions
    j_6_an_event_that_another_computer_forwarded_is_of_that_computer
    j_7_a_lookalike_takes_no_slot_of_the_tool
    j_7_a_lookalike_with_prefetch_is_one
    j_7_a_slot_of_a_process_that_is_not_the_tool_is_no_run
    j_7_the_runs_of_a_lookalike_are_in_one_entry
    j_8_a_command_of_at_is_led_to_by_the_scheduler
    j_8_a_run_that_the_scheduler_did_not_start_is_not_led_to
    j_8_a_task_is_known_by_the_process_that_its_log_names
    j_8_a_task_leads_through_the_shell_that_it_starts
    j_8_a_task_that_ran_is_what_schtasks_led_to
    j_8_a_task_that_starts_another_program_is_no_attempt
    j_8_a_task_that_was_imported_from_xml_is_an_attempt
    j_8_a_task_that_was_made_over_com_is_an_attempt
    j_8_a_wrapper_that_does_not_show_the_command_breaks_no_chain
    j_9_localhost_is_this_computer
    j_9_the_host_by_its_loopback_address_is_this_computer
    j_9_the_host_by_its_own_name_is_this_computer
    r_11_what_is_left_of_records_in_free_space_is_counted
    r_3_each_clearing_of_a_log_is_told_once
    v_5_a_file_that_a_triage_does_not_hold_is_not_called_absent
}

#[test]
fn every_case_has_its_test() {
    let mut cases: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".json").map(str::to_owned))
        .collect();
    cases.sort();
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(cases, tested);
}
