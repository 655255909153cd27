//! The diagram in docs/task-life.md shows the table of moves, no more and no less.

use super::moves;
use std::collections::BTreeSet;
use warrener_model::State;

#[test]
fn the_diagram_shows_the_moves_of_the_table() {
    let page = include_str!("../../../../docs/task-life.md");
    let state = |word: &str| word.trim().parse::<State>().ok();
    let shown: BTreeSet<(State, State)> = page
        .lines()
        .filter_map(|line| line.split_once("-->"))
        .filter_map(|(from, to)| {
            let to = to.split(':').next()?;
            Some((state(from)?, state(to)?))
        })
        .collect();
    assert_eq!(shown, moves(), "left: docs/task-life.md; right: the table");
}
