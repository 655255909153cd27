//! What no run of a file could do, said before one begins; steps that wait for each other, in any graph.

use proptest::prelude::*;
use warrener_workflow::{Mistake, read};

fn said(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
    lines.join("\n")
}

#[test]
fn what_no_run_could_do_is_said_before_one_begins() {
    let with = |step: &str| {
        format!(
            "name: n\ninputs: {{ title: {{ type: string }} }}\nsteps:\n  - {{ id: a, kind: k }}\n  - {step}\n"
        )
    };
    let long = format!("{{ id: x, kind: k, title: {} }}", "x".repeat(222));
    for (step, says) in [
        (
            "{ id: x, kind: k, input: '{{ inputs.title | lenght }}' }",
            "5:30: this template cannot be read: filter lenght is unknown",
        ),
        (
            "{ id: x, kind: k, title: 'a {{ inputs.title | lenght }}' }",
            "5:30: this template cannot be read: filter lenght is unknown",
        ),
        (
            "{ id: x, kind: k, when: '{{ 1 is nosuchtest }}' }",
            "5:29: this template cannot be read: test nosuchtest is unknown",
        ),
        (
            "{ id: x, kind: k, input: '{{ run.colour }}' }",
            "5:30: a run has \"id\" and \"name\", not \"colour\"",
        ),
        (
            "{ id: x, kind: k, input: \"{{ inputs['titel'] }}\" }",
            "5:30: there is no input \"titel\" (did you mean \"title\"?)",
        ),
        (
            "{ id: x, kind: k, needs: [a], input: \"{{ steps['gone'].output }}\" }",
            "5:42: there is no step \"gone\"",
        ),
        (
            "{ id: x, kind: k, needs: [a], input: \"{{ steps.a['result'] }}\" }",
            "not \"result\"",
        ),
        (
            "{ id: x, kind: k, for_each: '{{ inputs.title }}' }",
            "5:33: \"for_each\" must be a list, and input \"title\" is of type string",
        ),
        (
            "{ id: x, session: { question: q, options: [one] } }",
            "5:47: \"options\": give 2 to 20",
        ),
        (
            "{ id: x, session: { question: q, required: ['cap:'] } }",
            "5:11: \"required\": ",
        ),
        (
            "{ id: x, session: { question: '{{ run.name }}', method: expertise } }",
            "5:11: \"expertise\": is missing",
        ),
        (
            "{ id: x, kind: k, labels: { '': y } }",
            "\"labels\": a label's key is",
        ),
        (
            "{ id: x, kind: k, labels: { 'a b': '{{ run.id }}' } }",
            "\"labels\": a label's key is",
        ),
        (
            "{ id: x, kind: k, timeout: 0s }",
            "5:11: \"timeout\": must be at least 1",
        ),
        (
            &long,
            "5:30: \"title\": has 222 characters; the limit is 200",
        ),
        (
            "{ id: x, kind: k, when: inputs.title }",
            "5:29: \"when\" is a text that never changes; as a template it is \"{{ inputs.title }}\"",
        ),
    ] {
        let said = said(&read(&with(step)).expect_err("a mistake"));
        assert!(said.contains(says), "no {says:?} in {said:?}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    for fine in [
        "{ id: x, kind: k, when: 'true', title: '{{ inputs.title | default(\"a\") | upper }}' }",
        "{ id: x, kind: k, needs: [a], when: \"{{ steps['a'].output in ['yes'] and inputs['title'] is string }}\" }",
        "{ id: x, session: { question: '{{ run.name }}', options: '{{ inputs.title | list }}', method: expertise, expertise: api, initiator: ann, include_initiator: true } }",
    ] {
        read(&with(fine)).unwrap_or_else(|wrong| panic!("{fine}: {}", said(&wrong)));
    }
}

/// Steps that may need each other in any way.
fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1usize..9).prop_flat_map(|n| {
        let needs = prop::collection::btree_set(0..n, 0..3);
        prop::collection::vec(needs.prop_map(|s| s.into_iter().collect()), n)
    })
}

/// How many groups there are of steps that all wait for each other.
fn groups(needs: &[Vec<usize>]) -> usize {
    let all = 0..needs.len();
    let mut reach: Vec<Vec<bool>> = all
        .clone()
        .map(|a| all.clone().map(|b| needs[a].contains(&b)).collect())
        .collect();
    for over in all.clone() {
        for from in all.clone() {
            for to in all.clone() {
                reach[from][to] |= reach[from][over] && reach[over][to];
            }
        }
    }
    // Each is counted at its first step.
    let first = |a: usize| (0..a).all(|b| !(reach[a][b] && reach[b][a]));
    all.filter(|a| reach[*a][*a] && first(*a)).count()
}

proptest! {
    #[test]
    fn no_text_is_too_much_for_the_reader(text in "[-a-z:{}\\[\\]\"'&*!|>%,# \n]{0,80}") {
        let _ = read(&text);
    }

    #[test]
    fn circles_are_found_and_their_path_is_one(needs in graphs()) {
        let steps = needs.iter().enumerate().map(|(n, needs)| {
            let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
            format!("  - {{ id: s{n}, kind: k, needs: [{}] }}\n", needs.join(", "))
        });
        let text = format!("name: n\nsteps:\n{}", steps.collect::<String>());
        // Steps that can be put in an order, by taking away what waits for nothing again and again.
        let mut left: Vec<usize> = (0..needs.len()).collect();
        loop {
            let before = left.len();
            let stays: Vec<usize> = left.iter().copied().filter(|n| needs[*n].iter().any(|need| left.contains(need))).collect();
            left = stays;
            if left.len() == before { break }
        }
        match read(&text) {
            Ok(_) => prop_assert!(left.is_empty()),
            Err(mistakes) => {
                prop_assert!(!left.is_empty(), "{}", said(&mistakes));
                prop_assert_eq!(mistakes.len(), groups(&needs), "one for each group");
                for mistake in &mistakes {
                    let path = mistake.message.strip_prefix("these steps wait for each other: ").expect("a circle");
                    let path: Vec<usize> = path.split(" needs ").map(|s| s[1..].parse().expect("a number")).collect();
                    prop_assert_eq!(path.first(), path.last());
                    for pair in path.windows(2) {
                        prop_assert!(needs[pair[0]].contains(&pair[1]));
                    }
                }
            }
        }
    }
}
