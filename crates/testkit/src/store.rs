//! The conformance suite of the store port: what every store does, one named case each.
//!
//! A store's `tests/conformance.rs` is a [`Harness`] and one line, `store_suite!(MyHarness);`. The macro holds the only
//! list of cases, so a failure has a name and no store can forget one. Times in cases are numbers, not the clock's.

pub mod accept;
pub mod agents;
pub mod batches;
pub mod books;
pub mod counts;
pub mod dead;
pub mod durable;
pub mod events;
pub mod lists;
pub mod logs;
pub mod moves;
pub mod notices;
pub mod purge;
pub mod ready;
pub mod refused;
pub mod restore;
pub mod runs;
pub mod sample;
pub mod schedules;
pub mod sessions;
pub mod state;
pub mod timers;

use async_trait::async_trait;
use std::sync::Arc;
use warrener_backend::Store;

/// A private, empty store, made for one case and gone with it.
#[async_trait]
pub trait Harness: Sized + Send + Sync + 'static {
    /// An empty store that is not open yet.
    async fn start() -> Self;

    /// Opens it; while it is open, the same handle again.
    async fn open(&self) -> Arc<dyn Store>;

    /// Closes it, if it is open, and opens it anew.
    async fn reopen(&self) -> Arc<dyn Store>;
}

/// Expands to one `#[tokio::test]` for each case, on the given harness.
#[macro_export]
macro_rules! store_suite {
    ($harness:ty) => {
        $crate::store_suite! { @each $harness;
            accept::a_task_comes_back_as_it_was_accepted,
            accept::tasks_come_in_the_order_asked_and_those_not_there_as_none,
            accept::the_same_request_under_its_key_names_the_task_that_is_there,
            accept::a_key_of_another_request_refuses_the_change,
            accept::a_key_twice_in_one_change_makes_one_task,
            accept::an_id_that_is_there_is_a_conflict,
            accept::of_many_callers_with_one_key_one_makes_the_task,
            moves::a_move_writes_the_whole_life_and_the_next_version,
            moves::a_move_of_an_older_version_is_a_conflict,
            moves::of_many_movers_one_wins,
            moves::an_ending_leaves_what_it_has_and_clears_the_progress,
            moves::an_ending_replaces_the_one_before,
            moves::progress_counts_under_its_epoch_while_it_runs,
            moves::progress_makes_no_version_and_no_history,
            moves::renewals_make_no_version_and_are_guarded_all_the_same,
            moves::a_retry_may_bring_another_input,
            moves::a_task_that_is_not_there_cannot_move,
            batches::a_change_happens_whole_or_not_at_all,
            batches::changes_of_one_call_stand_each_by_itself,
            batches::a_change_sees_those_before_it,
            batches::ten_thousand_tasks_are_accepted_in_one_change,
            batches::callers_at_the_same_time_get_each_their_own_answer,
            batches::nothing_to_do_is_done,
            ready::the_best_comes_first,
            ready::what_is_offered_or_not_ready_is_not_there,
            ready::kinds_that_nobody_runs_are_passed_over,
            ready::ready_tasks_come_with_their_bodies,
            timers::what_is_due_comes_most_overdue_first,
            timers::the_next_timer_is_the_earliest,
            timers::offers_that_nobody_took_are_found,
            timers::the_offers_of_a_lane_are_counted_and_say_how_they_start,
            timers::what_runs_is_held,
            events::history_of_a_task_is_as_it_was_written,
            events::history_is_read_in_pieces,
            events::a_follower_of_many_writers_misses_nothing,
            events::whoever_watches_is_woken,
            lists::every_filter_means_what_the_model_says,
            lists::pages_are_a_cut_of_the_whole_in_every_order,
            lists::pages_neither_skip_nor_repeat_while_tasks_come_and_go,
            lists::those_that_have_not_ended_come_last,
            lists::counting_stops_at_its_limit,
            lists::a_list_without_bodies_has_none,
            lists::signs_of_sql_are_plain_text,
            logs::pieces_come_in_order_and_by_attempt,
            logs::too_much_log_keeps_its_first_and_last_half,
            logs::one_piece_over_the_limit_keeps_both_its_ends,
            logs::letters_are_never_cut,
            logs::log_of_nobody_is_dropped,
            books::what_is_accepted_is_counted_once_and_for_good,
            books::what_is_forgotten_is_counted_apart,
            counts::counts_are_exact_after_many_moves,
            counts::the_oldest_ready_task_of_a_lane_is_known,
            counts::kinds_that_are_ready_are_counted,
            dead::dead_tasks_are_grouped_by_fingerprint,
            dead::groups_obey_the_filter_and_the_limit,
            refused::a_refused_message_is_kept_as_it_came,
            refused::of_a_large_message_the_beginning_is_kept,
            refused::the_oldest_refused_messages_go,
            notices::what_is_told_stays_until_it_was_heard,
            notices::notices_go_with_their_task,
            sessions::a_session_comes_back_as_it_was_written,
            sessions::of_two_who_move_a_session_one_wins,
            sessions::sessions_that_are_due_are_found,
            sessions::sessions_are_listed_in_pages,
            sessions::old_sessions_go,
            runs::a_run_comes_back_as_it_was_written,
            runs::a_run_is_saved_over_the_version_before_only,
            runs::ends_are_counted_and_the_last_one_is_known,
            runs::the_tasks_of_a_step_come_in_their_order,
            runs::runs_are_listed_by_state,
            runs::tasks_and_runs_that_do_not_fit_are_found,
            runs::what_belongs_to_a_run_that_goes_on_is_not_purged,
            runs::what_belongs_to_a_run_with_a_dead_letter_stays_with_it,
            state::versions_grow_for_ever,
            state::of_those_that_expect_one_version_one_writes,
            state::a_request_that_comes_twice_writes_once,
            state::what_is_over_becomes_a_tombstone,
            state::a_space_becomes_what_it_was_by_new_versions,
            restore::a_restore_of_too_many_bytes_changes_nothing,
            state::old_versions_are_forgotten,
            state::a_lock_has_one_holder_and_fences_the_others,
            state::a_refused_write_takes_its_whole_change_back,
            schedules::a_schedule_is_as_it_was_written_last,
            schedules::a_schedule_is_written_only_over_the_row_that_was_read,
            schedules::of_many_servers_one_starts_the_task_of_a_slot,
            schedules::what_is_due_or_waits_is_found,
            schedules::the_oldest_firings_go_and_those_of_others_stay,
            purge::old_tasks_go_with_all_that_is_theirs,
            purge::dead_tasks_and_open_ones_stay_longer,
            purge::a_call_forgets_no_more_than_its_limit,
            purge::a_key_outlives_its_task_for_a_while,
            purge::no_cursor_is_given_twice,
            durable::everything_is_there_after_it_was_opened_again,
            durable::a_store_keeps_its_id,
            durable::a_closed_store_answers_that_it_is,
            durable::what_was_handed_over_before_closing_is_answered,
            durable::time_never_goes_back,
            agents::an_agent_is_as_it_was_written_last,
            agents::an_agent_that_is_forgotten_is_gone,
            agents::a_lane_is_as_it_was_set_last,
        }
    };
    (@each $harness:ty; $($file:ident :: $case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let harness = <$harness as $crate::store::Harness>::start().await;
                $crate::store::$file::$case(harness).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_list() {
        let list = include_str!("store.rs");
        let files = [
            ("accept", include_str!("store/accept.rs")),
            ("agents", include_str!("store/agents.rs")),
            ("batches", include_str!("store/batches.rs")),
            ("books", include_str!("store/books.rs")),
            ("counts", include_str!("store/counts.rs")),
            ("dead", include_str!("store/dead.rs")),
            ("durable", include_str!("store/durable.rs")),
            ("events", include_str!("store/events.rs")),
            ("lists", include_str!("store/lists.rs")),
            ("logs", include_str!("store/logs.rs")),
            ("moves", include_str!("store/moves.rs")),
            ("purge", include_str!("store/purge.rs")),
            ("ready", include_str!("store/ready.rs")),
            ("refused", include_str!("store/refused.rs")),
            ("sessions", include_str!("store/sessions.rs")),
            ("runs", include_str!("store/runs.rs")),
            ("state", include_str!("store/state.rs")),
            ("schedules", include_str!("store/schedules.rs")),
            ("timers", include_str!("store/timers.rs")),
        ];
        let mut cases = 0;
        for (file, text) in files {
            for line in text.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let name = rest.split('<').next().unwrap();
                assert!(list.contains(&format!("{file}::{name},")), "{file}::{name}");
                cases += 1;
            }
        }
        assert!(cases > 50, "only {cases} cases found");
    }
}
