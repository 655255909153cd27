//! The conformance suite of the broker port: what every back-end does, one named case each.
//!
//! A back-end's `tests/conformance.rs` is a [`Harness`] and one line, `broker_suite!(MyHarness);`.
//! The macro holds the only list of cases, so a failure has a name and no back-end can forget one.
//! A capability that is absent is asserted as `Unsupported`, never skipped. Cases wait on events;
//! their deadlines only turn a hang into a failure, and say nothing about speed.

pub mod capabilities;
pub mod competing;
pub mod control;
pub mod expiry;
pub mod limits;
pub mod loss;
pub mod random;
pub mod redelivery;
pub mod routing;
pub mod talk;
pub mod topics;
pub mod verdicts;
pub mod wills;

use async_trait::async_trait;
use std::sync::Arc;
use warrener_backend::broker::{Broker, Capabilities};
use warrener_model::agent::Who;
use warrener_model::name::Lane;

/// A private broker, made for one case and gone with it.
#[async_trait]
pub trait Harness: Sized + Send + Sync + 'static {
    /// An empty broker, its limits those of [`Harness::bounds`].
    async fn start() -> Self;

    /// What the back-end says it can do; a fixed answer.
    fn expected(&self) -> Capabilities;

    /// How little it holds, so that cases can fill it.
    fn bounds(&self) -> Bounds;

    /// An empty broker that nobody else uses, for the cases that restart it.
    async fn start_alone() -> Self {
        Self::start().await
    }

    /// A server's handle.
    async fn server(&self) -> Arc<dyn Broker>;

    /// A new connection of an agent that serves these lanes and may do all that an agent may do.
    async fn agent(&self, who: &Who, lanes: &[Lane]) -> Arc<dyn Broker>;

    /// Every connection of this agent dies without a word.
    async fn kill_agent(&self, who: &Who);

    /// The broker dies and starts again, as after a power cut; connections are lost.
    async fn restart_broker(&self);
}

/// The limits of a harness's broker, small enough to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Offers of a lane that may wait; more are refused.
    pub offers: usize,
    /// A lane that was full takes more when no more than this wait.
    pub offers_again: usize,
    /// Presence messages that may wait; more push out the oldest.
    pub presence: usize,
    /// Copies that may wait for a watcher beyond its credit; more push out the oldest.
    pub topic: usize,
    /// A message comes back this often, then it is dead.
    pub dead_limit: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            offers: 50,
            offers_again: 49,
            presence: 50,
            topic: 20,
            dead_limit: 20,
        }
    }
}

/// Expands to one `#[tokio::test]` for each case, on the given harness.
#[macro_export]
macro_rules! broker_suite {
    ($harness:ty) => {
        $crate::broker_suite! { @each $harness; start_alone;
            capabilities::confirmed_messages_survive_a_restart_exactly_if_durable,
        }
        $crate::broker_suite! { @each $harness; start;
            capabilities::the_capabilities_are_exactly_those_expected,
            capabilities::an_agent_may_not_make_addresses,
            capabilities::a_broker_that_runs_is_up,
            routing::an_address_exists_once_a_server_ensured_it,
            routing::to_ensure_again_changes_nothing,
            routing::a_message_arrives_as_it_was_sent,
            routing::what_agents_say_reaches_the_inbox_it_was_sent_to,
            routing::receipts_come_in_the_order_of_the_batch,
            routing::an_empty_batch_has_no_receipts,
            routing::lanes_do_not_mix,
            routing::one_reader_gets_messages_in_the_order_they_were_sent,
            competing::each_message_goes_to_one_reader_and_each_reader_gets_its_turn,
            competing::credit_bounds_what_is_not_settled,
            competing::every_verdict_gives_its_credit_back,
            competing::what_a_busy_reader_cannot_take_goes_to_a_free_one,
            competing::depth_counts_what_waits_what_is_held_and_who_reads,
            competing::a_subscription_without_credit_is_refused,
            competing::who_has_enough_gets_no_more_and_settles_what_it_has,
            competing::who_has_enough_and_nothing_is_over_at_once,
            redelivery::a_first_delivery_is_not_marked_as_a_second,
            redelivery::what_is_dropped_unsettled_comes_again_marked,
            redelivery::what_came_back_goes_before_what_still_waits,
            redelivery::what_an_ended_subscription_held_goes_to_another_reader,
            redelivery::what_was_not_even_read_goes_to_another_reader,
            redelivery::what_a_leaving_reader_had_goes_on_in_order,
            redelivery::a_verdict_after_the_end_of_its_subscription_is_ignored,
            verdicts::what_is_acknowledged_is_gone,
            verdicts::what_a_server_rejects_is_a_dead_letter_with_its_reason,
            verdicts::what_an_agent_rejects_is_a_dead_letter_with_its_reason_exactly_if_it_can,
            verdicts::what_is_rejected_leaves_its_lane_whoever_keeps_dead_letters,
            verdicts::a_rejected_dead_letter_is_gone,
            verdicts::what_comes_back_too_often_is_a_dead_letter,
            expiry::what_nobody_takes_in_time_is_never_delivered,
            expiry::what_expires_behind_a_busy_reader_is_never_delivered,
            expiry::what_expires_makes_room,
            control::a_control_address_exists_while_its_agent_reads_it,
            control::a_control_address_has_one_reader,
            control::another_boot_has_another_control_address,
            control::what_waited_for_a_dead_agent_is_lost,
            wills::a_subscription_that_is_closed_leaves_no_will,
            wills::a_subscription_that_is_dropped_publishes_its_will,
            wills::an_agent_that_dies_publishes_its_will,
            topics::every_watcher_gets_a_copy_and_nobody_need_be_there,
            topics::a_pattern_chooses_by_words,
            topics::a_slow_watcher_loses_the_oldest_and_delays_nobody,
            limits::a_full_lane_refuses_until_something_was_read,
            limits::full_presence_loses_the_oldest,
            limits::a_full_lane_takes_back_what_it_gave_out,
            loss::the_subscriptions_of_a_dead_agent_end,
            loss::what_a_dead_agent_held_goes_to_another,
            loss::an_agent_that_lost_its_connection_subscribes_again,
            loss::one_dead_agent_takes_nothing_from_the_others,
            random::random_operations_agree_with_a_simple_model,
            random::many_publishers_and_readers_lose_nothing_that_was_confirmed,
        }
    };
    (@each $harness:ty; $start:ident; $($file:ident :: $case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::broker::talk::whole(async {
                    let harness = <$harness as $crate::broker::Harness>::$start().await;
                    $crate::broker::$file::$case(harness).await;
                })
                .await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_in_the_list() {
        let list = include_str!("broker.rs");
        let files = [
            ("capabilities", include_str!("broker/capabilities.rs")),
            ("competing", include_str!("broker/competing.rs")),
            ("control", include_str!("broker/control.rs")),
            ("expiry", include_str!("broker/expiry.rs")),
            ("limits", include_str!("broker/limits.rs")),
            ("loss", include_str!("broker/loss.rs")),
            ("random", include_str!("broker/random.rs")),
            ("redelivery", include_str!("broker/redelivery.rs")),
            ("routing", include_str!("broker/routing.rs")),
            ("topics", include_str!("broker/topics.rs")),
            ("verdicts", include_str!("broker/verdicts.rs")),
            ("wills", include_str!("broker/wills.rs")),
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
        assert!(cases > 40, "only {cases} cases found");
    }
}
