//! How much of shared state may be made what it was in one go.

use super::Harness;
use super::sample::at;
use super::state::{ask, set, space, write};
use warrener_backend::state::{StateOp, Stated, Write};
use warrener_model::event::Cursor;
use warrener_model::json::Json;
use warrener_model::state::{Act, Refusal};

/// A restore writes while nobody else does, so it is bounded: what was changed too widely is refused whole.
pub async fn a_restore_of_too_many_bytes_changes_nothing<H: Harness>(h: H) {
    let store = h.open().await;
    let keys = 140;
    let large = |n: i64, byte: &str| Write {
        act: Act::Set {
            value: Json::of(&byte.repeat(250_000)).expect("a text"),
            expires_at: None,
        },
        ..set(&format!("k{n}"), 0)
    };
    for byte in ["a", "b"] {
        for n in 0..keys {
            write(&*store, large(n, byte)).await.expect("a write");
        }
    }
    let restore = |then| StateOp::Restore {
        space: space(),
        then,
        now: at(50),
        actor: "user:ann".into(),
    };
    let done = ask(&*store, restore(Cursor(140))).await;
    assert!(matches!(done, Err(Refusal::TooLarge(_))), "{done:?}");
    // What did not change since then is not read at all, however large.
    assert_eq!(
        ask(&*store, restore(Cursor(279))).await,
        Ok(Stated::Many(1))
    );
    assert_eq!(
        ask(&*store, restore(Cursor(281))).await,
        Ok(Stated::Many(0))
    );
}
