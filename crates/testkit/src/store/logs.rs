//! Logs of attempts: in order, bounded, never in the way.

use super::Harness;
use super::sample::{at, done, id, submit, task};
use warrener_backend::store::{LogChunk, Op};
use warrener_backend::{Change, Store};
use warrener_model::id::TaskId;
use warrener_model::limits::LOG_BYTES;

fn piece(task: TaskId, attempt: u32, text: impl Into<String>) -> Op {
    Op::Log(LogChunk {
        task,
        attempt,
        at: at(i64::from(attempt)),
        stream: "stderr".into(),
        text: text.into(),
    })
}

async fn one(store: &dyn Store) -> TaskId {
    let task = task();
    submit(store, std::slice::from_ref(&task)).await;
    task.id
}

async fn kept(store: &dyn Store, task: TaskId, attempt: u32) -> Vec<String> {
    let rows = store.logs(task, Some(attempt), 0, 100_000).await;
    let rows = rows.expect("logs").into_iter();
    rows.map(|row| row.chunk.text).collect()
}

/// Of all attempts or of one, and from where one was.
pub async fn pieces_come_in_order_and_by_attempt<H: Harness>(h: H) {
    let store = h.open().await;
    let (task, other) = (one(&*store).await, one(&*store).await);
    let ops = vec![
        piece(task, 1, "a"),
        piece(task, 2, "b\n"),
        piece(other, 1, "of another"),
        piece(task, 1, "late"),
        piece(task, 2, "c"),
    ];
    done(&*store, Change { ops }).await;
    let rows = store.logs(task, None, 0, 100).await.expect("logs");
    let texts: Vec<_> = rows.iter().map(|row| row.chunk.text.as_str()).collect();
    assert_eq!(texts, ["a", "b\n", "late", "c"]);
    assert!(rows.is_sorted_by(|a, b| a.n < b.n));
    let (first, stream) = (&rows[0].chunk, "stderr".to_owned());
    assert_eq!(
        (first.task, first.attempt, first.at, &first.stream),
        (task, 1, at(1), &stream)
    );
    assert_eq!(kept(&*store, task, 1).await, ["a", "late"]);
    let rest = store.logs(task, None, rows[1].n, 1).await.expect("logs");
    assert_eq!(rest, rows[2..3]);
}

/// The beginning as it was, the end as it was, and no more than the limit; each attempt for itself.
pub async fn too_much_log_keeps_its_first_and_last_half<H: Harness>(h: H) {
    const PIECE: usize = 60_000;
    let store = h.open().await;
    let task = one(&*store).await;
    let text = |n: usize| format!("{n:08}").repeat(PIECE / 8);
    let pieces = LOG_BYTES * 3 / 2 / PIECE;
    for from in (0..pieces).step_by(20) {
        let until = pieces.min(from + 20);
        let ops = (from..until).map(|n| piece(task, 1, text(n))).collect();
        done(&*store, Change { ops }).await;
    }
    done(&*store, piece(task, 2, "of the second")).await;
    let kept_pieces = kept(&*store, task, 1).await;
    let size: usize = kept_pieces.iter().map(String::len).sum();
    assert!(size <= LOG_BYTES, "{size}");
    assert!(size > LOG_BYTES - 2 * PIECE, "{size}");
    let all: String = (0..pieces).map(text).collect();
    let found = kept_pieces.concat();
    let half = LOG_BYTES / 2;
    assert!(found[..half] == all[..half], "the first half");
    let tail = &found[half..];
    assert!(all.ends_with(tail), "the last half");
    assert_eq!(kept(&*store, task, 2).await, ["of the second"]);
}

/// Even when it came as one.
pub async fn one_piece_over_the_limit_keeps_both_its_ends<H: Harness>(h: H) {
    let store = h.open().await;
    let task = one(&*store).await;
    let text = format!("begin{}end", "x".repeat(LOG_BYTES + 1_000));
    done(&*store, piece(task, 1, text)).await;
    let found = kept(&*store, task, 1).await.concat();
    assert!(found.len() <= LOG_BYTES);
    assert!(found.starts_with("beginx") && found.ends_with("xend"));
}

/// Where the halves meet, neither.
pub async fn letters_are_never_cut<H: Harness>(h: H) {
    let store = h.open().await;
    let task = one(&*store).await;
    let text = format!("a{}", "\u{1F407}".repeat(LOG_BYTES / 4 + 10));
    done(&*store, piece(task, 1, text)).await;
    let found = kept(&*store, task, 1).await.concat();
    assert!(found.len() <= LOG_BYTES && found.len() > LOG_BYTES - 8);
    assert!(found.chars().skip(1).all(|c| c == '\u{1F407}'));
}

/// A log never makes a change fail.
pub async fn log_of_nobody_is_dropped<H: Harness>(h: H) {
    let store = h.open().await;
    let (nobody, somebody) = (id(), one(&*store).await);
    let ops = vec![
        piece(nobody, 1, "lost"),
        piece(somebody, 1, ""),
        piece(somebody, 1, "kept"),
    ];
    done(&*store, Change { ops }).await;
    assert_eq!(store.logs(nobody, None, 0, 10).await.expect("logs"), []);
    assert_eq!(kept(&*store, somebody, 1).await.concat(), "kept");
}
