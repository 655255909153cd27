//! The circuit breaker: its story step by step, and what holds under random events at random times.

use proptest::prelude::*;
use std::time::Duration;
use warrener_model::breaker::{Breaker, Event, Rule, Rules, State, Verdict, apply};
use warrener_model::life::Ending;
use warrener_model::{Class, Kind};

const RULE: Rule = Rule {
    failures: 3,
    window: Duration::from_secs(60),
    open: Duration::from_secs(10),
    probes: 2,
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A breaker with its clock, and the generation of the run that started last.
struct Story {
    breaker: Breaker,
    run: u64,
}

impl Story {
    fn new() -> Self {
        Story {
            breaker: Breaker::default(),
            run: 0,
        }
    }

    fn start(&mut self, at: u64) -> u64 {
        self.breaker = apply(&self.breaker, &Event::Start, &RULE, s(at));
        self.run = self.breaker.generation;
        self.run
    }

    fn end(&mut self, at: u64, generation: u64, verdict: Verdict) {
        let event = Event::End {
            generation,
            verdict,
        };
        self.breaker = apply(&self.breaker, &event, &RULE, s(at));
    }

    fn run(&mut self, at: u64, verdict: Verdict) {
        let generation = self.start(at);
        self.end(at, generation, verdict);
    }

    fn room(&self, at: u64) -> Option<u32> {
        self.breaker.room(&RULE, s(at))
    }
}

fn opened() -> Story {
    let mut story = Story::new();
    (0..3).for_each(|at| story.run(at, Verdict::Fails));
    assert_eq!(story.breaker.state, State::Open { since: s(2) });
    story
}

#[test]
fn failures_in_a_row_within_the_window_open_it_and_no_others() {
    let mut story = Story::new();
    story.run(0, Verdict::Fails);
    story.run(1, Verdict::Fails);
    story.run(2, Verdict::Unclear);
    story.run(3, Verdict::Works);
    story.run(4, Verdict::Fails);
    story.run(5, Verdict::Fails);
    assert_eq!(story.room(5), None, "a success was in between");
    story.run(64, Verdict::Fails);
    assert_eq!(story.room(64), None, "the first was a window ago");
    story.run(64, Verdict::Fails);
    assert_eq!(story.room(64), Some(0), "5, 64, 64");
}

#[test]
fn it_is_half_open_after_its_time_and_enough_successes_close_it() {
    let mut story = opened();
    assert_eq!((story.room(11), story.room(12)), (Some(0), Some(2)));
    assert_eq!(story.breaker.wait(&RULE, s(5)), Some(s(7)));
    let (first, second) = (story.start(12), story.start(13));
    assert_eq!(story.room(13), Some(0), "no third one");
    assert_eq!(story.breaker.wait(&RULE, s(13)), Some(s(10)));
    story.end(14, first, Verdict::Works);
    assert_eq!(story.room(14), Some(0));
    story.end(15, second, Verdict::Works);
    assert_eq!(story.room(15), None);
    // The count begins anew.
    story.run(15, Verdict::Fails);
    story.run(15, Verdict::Fails);
    assert_eq!(story.room(15), None);
}

#[test]
fn defect_53_a_success_and_then_a_failure_while_half_open_opens_it_again() {
    let mut story = opened();
    let (first, second) = (story.start(12), story.start(12));
    story.end(13, first, Verdict::Works);
    story.end(14, second, Verdict::Fails);
    assert_eq!(story.breaker.state, State::Open { since: s(14) });
    assert_eq!((story.room(23), story.room(24)), (Some(0), Some(2)));
}

#[test]
fn defect_53_late_results_of_earlier_runs_change_nothing() {
    let mut story = Story::new();
    let late: Vec<u64> = (0..6).map(|_| story.start(0)).collect();
    (0..3).for_each(|_| story.end(1, late[0], Verdict::Fails));
    let open = story.breaker.clone();
    story.end(5, late[3], Verdict::Fails);
    story.end(6, late[4], Verdict::Works);
    assert_eq!(story.breaker, open, "neither longer nor shorter");
    let probe = story.start(11);
    story.end(12, late[5], Verdict::Fails);
    assert_eq!(story.room(12), Some(1), "still half open");
    story.end(12, probe, Verdict::Fails);
    assert_eq!(story.room(12), Some(0));
}

#[test]
fn a_probe_that_tells_nothing_gives_its_permit_back() {
    let mut story = opened();
    for at in 12..30 {
        let probe = story.start(at);
        assert_eq!(story.room(at), Some(1));
        story.end(at, probe, Verdict::Unclear);
        assert_eq!(story.room(at), Some(2));
    }
}

#[test]
fn a_probe_that_does_not_end_holds_up_the_kind_only_so_long() {
    let mut story = opened();
    let (slow, _) = (story.start(12), story.start(20));
    assert_eq!((story.room(29), story.room(30)), (Some(0), Some(2)));
    let other = story.start(30);
    story.end(31, slow, Verdict::Works);
    story.end(31, other, Verdict::Works);
    assert_eq!(story.room(31), None, "what was slow counts, too");
}

#[test]
fn a_person_closes_it_and_what_runs_then_does_not_count() {
    let mut story = opened();
    let probe = story.start(12);
    story.breaker = apply(&story.breaker, &Event::Reset, &RULE, s(12));
    assert_eq!(story.room(12), None);
    for _ in 0..9 {
        story.end(13, probe, Verdict::Fails);
    }
    assert_eq!(story.room(13), None);
}

#[test]
fn only_what_speaks_of_the_world_outside_counts() {
    use Verdict::{Fails, Unclear, Works};
    let failed = |class| {
        Verdict::of(&Ending::Failed {
            class,
            retry_after: None,
        })
    };
    for class in Class::ALL {
        let outside = matches!(
            class,
            Class::Network | Class::Timeout | Class::RateLimit | Class::Resource
        );
        let wanted = if outside { Fails } else { Unclear };
        assert_eq!(failed(class), wanted, "{class}");
    }
    assert_eq!(Verdict::of(&Ending::Succeeded), Works);
    assert_eq!(Verdict::of(&Ending::Released), Unclear);
    assert_eq!(Verdict::of(&Ending::Refused), Unclear);
}

#[test]
fn a_kind_has_its_own_rule_or_that_of_the_others_or_none() {
    let kind = |name| Kind::new(name).unwrap();
    assert_eq!(Rules::default().of(&kind("a")), None);
    let own = Rule {
        failures: 9,
        ..RULE
    };
    let rules = Rules {
        others: Some(RULE),
        kinds: [(kind("own"), Some(own)), (kind("off"), None)].into(),
    };
    assert_eq!(rules.of(&kind("a")), Some(&RULE));
    assert_eq!(rules.of(&kind("own")), Some(&own));
    assert_eq!(rules.of(&kind("off")), None);
}

fn some_rule() -> impl Strategy<Value = Rule> {
    let span = || (0u64..40).prop_map(s);
    (0u32..6, span(), span(), 0u32..4).prop_map(|(failures, window, open, probes)| Rule {
        failures,
        window,
        open,
        probes,
    })
}

fn some_event() -> impl Strategy<Value = Event> {
    let verdict = prop_oneof![
        2 => Just(Verdict::Works),
        4 => Just(Verdict::Fails),
        1 => Just(Verdict::Unclear),
    ];
    prop_oneof![
        3 => Just(Event::Start),
        6 => (0u64..8, verdict).prop_map(|(generation, verdict)| Event::End { generation, verdict }),
        1 => Just(Event::Reset),
    ]
}

/// Events with the time of each, which may jump in both directions. The generation of an end is counted back from the
/// breaker's: most are of now, some of before.
fn some_story() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let time = prop_oneof![6 => 0u64..60, 1 => 0u64..u64::from(u32::MAX)];
    prop::collection::vec((some_event(), time), 0..60)
}

fn play(
    rule: &Rule,
    story: &[(Event, u64)],
    mut check: impl FnMut(&Breaker, &Event, &Breaker, Duration) -> Result<(), TestCaseError>,
) -> Result<Breaker, TestCaseError> {
    let mut breaker = Breaker::default();
    for (event, at) in story {
        let event = match *event {
            Event::End {
                generation,
                verdict,
            } => Event::End {
                generation: breaker.generation.saturating_sub(generation / 4),
                verdict,
            },
            other => other,
        };
        let next = apply(&breaker, &event, rule, s(*at));
        check(&breaker, &event, &next, s(*at))?;
        breaker = next;
    }
    Ok(breaker)
}

fn phase(breaker: &Breaker) -> u8 {
    match breaker.state {
        State::Closed { .. } => 0,
        State::Open { .. } => 1,
        State::HalfOpen { .. } => 2,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_it_remembers_is_bounded_and_its_generation_says_when_it_changed(
        rule in some_rule(), story in some_story()
    ) {
        play(&rule, &story, |before, event, after, _| {
            match &after.state {
                State::Closed { failures } => {
                    prop_assert!(failures.len() < rule.failures.max(1) as usize);
                }
                State::Open { .. } => {}
                State::HalfOpen { permits, successes, .. } => {
                    prop_assert!(*permits <= rule.probes.max(1));
                    prop_assert!(*successes < rule.probes.max(1));
                }
            }
            prop_assert!(after.generation >= before.generation);
            if *event != Event::Reset && after.generation == before.generation {
                prop_assert_eq!(phase(before), phase(after), "a change without a number");
            }
            Ok(())
        })?;
    }

    #[test]
    fn an_end_of_another_generation_or_that_says_nothing_never_moves_it(
        rule in some_rule(), story in some_story()
    ) {
        play(&rule, &story, |before, event, after, now| {
            let passed = before.at(&rule, now);
            match event {
                Event::End { generation, .. } if *generation != passed.generation => {
                    prop_assert_eq!(after, &passed);
                }
                Event::End { verdict: Verdict::Unclear, .. } | Event::Start => {
                    prop_assert_eq!(after.generation, passed.generation);
                }
                _ => {}
            }
            if matches!(passed.state, State::Open { .. }) && *event != Event::Reset {
                prop_assert_eq!(after, &passed, "while it is open only time moves it");
            }
            Ok(())
        })?;
    }

    #[test]
    fn wherever_it_is_and_whatever_the_clock_did_something_may_start_after_its_time(
        rule in some_rule(), story in some_story(), idle in 0u64..100
    ) {
        let last = story.last().map_or(0, |(_, at)| *at);
        let breaker = play(&rule, &story, |_, _, _, _| Ok(()))?;
        prop_assert_ne!(breaker.room(&rule, s(last) + rule.open + s(idle)), Some(0));
        let wait = breaker.wait(&rule, s(last)).unwrap_or_default();
        prop_assert!(wait <= rule.open);
        prop_assert_ne!(breaker.room(&rule, s(last) + wait), Some(0));
    }

    #[test]
    fn while_it_is_not_closed_no_more_start_than_probes_in_the_time_it_would_be_open(
        rule in some_rule(), steps in prop::collection::vec(0u64..5, 1..80)
    ) {
        // Somebody starts whatever may start, and nothing ever ends.
        let rule = Rule { open: rule.open.max(s(1)), probes: rule.probes.max(1), ..rule };
        let (mut breaker, mut now) = (Breaker::default(), 0);
        for _ in 0..rule.failures.max(1) {
            let event = Event::End { generation: 0, verdict: Verdict::Fails };
            let window = Rule { window: s(1_000), ..rule };
            breaker = apply(&breaker, &event, &window, s(0));
        }
        let mut starts: Vec<Duration> = vec![];
        for step in steps {
            now += step;
            for _ in 0..breaker.room(&rule, s(now)).expect("it is not closed") {
                breaker = apply(&breaker, &Event::Start, &rule, s(now));
                starts.push(s(now));
            }
            let lately = starts.iter().filter(|at| s(now) - **at < rule.open);
            prop_assert!(lately.count() <= rule.probes as usize);
        }
    }
}
