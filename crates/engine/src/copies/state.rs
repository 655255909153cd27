//! Copies of changes of shared state, without their values: read from the versions, in their order.

use super::{BATCH, BEHIND, Copy, copy, publish};
use crate::core::Core;
use crate::error::Result;
use std::collections::HashMap;
use warrener_backend::Address;
use warrener_backend::state::{StatePage, StateQuery};
use warrener_model::event::Cursor;
use warrener_model::message::StateCopy;
use warrener_model::state::Version;

/// Where the copies are: at the newest change to begin with.
#[derive(Debug, Default)]
pub(super) struct Place(Option<Cursor>);

impl Place {
    /// Copies what came since the last call.
    pub(super) async fn follow(&mut self, core: &Core) -> Result<()> {
        loop {
            let Some(place) = self.0 else {
                self.0 = Some(newest(core).await?);
                return Ok(());
            };
            let page = page(core, place, BATCH).await?;
            self.0 = Some(page.at);
            let full = page.items.len() == BATCH;
            let copies = watched(core, page.items).await;
            publish(core, copies).await;
            if full && newest(core).await?.0.saturating_sub(page.at.0) > BEHIND {
                core.refused("copy", "behind");
                self.0 = None;
            } else if !full {
                return Ok(());
            }
        }
    }
}

async fn newest(core: &Core) -> Result<Cursor> {
    let end = Cursor(i64::MAX.cast_unsigned());
    Ok(page(core, end, 1).await?.at)
}

async fn page(core: &Core, after: Cursor, limit: usize) -> Result<StatePage> {
    let query = StateQuery::Changes {
        space: None,
        prefix: String::new(),
        after,
        limit,
    };
    Ok(core.store.state_page(query).await?)
}

/// The copies of those keys that anybody may watch.
async fn watched(core: &Core, versions: Vec<Version>) -> Vec<Copy> {
    let mut known: HashMap<String, bool> = HashMap::new();
    let mut copies = vec![];
    for version in versions {
        let key = format!("state.{}.{}", version.space, version.key);
        let watched = match known.get(&key) {
            Some(watched) => *watched,
            None => {
                let depth = core.broker.depth(&Address::Topic(key.clone())).await;
                // A broker that cannot say may have somebody.
                let watched = depth.map_or(true, |depth| depth.consumers > 0);
                known.insert(key.clone(), watched);
                watched
            }
        };
        if watched {
            copies.push(of(key, version));
        }
    }
    copies
}

fn of(key: String, version: Version) -> Copy {
    let body = StateCopy {
        cursor: version.cursor.0,
        space: version.space,
        key: version.key,
        version: version.version,
        deleted: version.value.is_none(),
        cause: version.cause,
        at: version.at,
    };
    copy(key, &body)
}
