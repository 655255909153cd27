//! Sessions as they lie on the disk.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result};
use serde_json::Value;

use super::rows::id;

/// A row of `session`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) state: String,
    pub(crate) due: bool,
    /// Round and agent of each voice, in their order.
    pub(crate) voices: Vec<(u64, String)>,
}

/// Every session, by its id.
pub(crate) fn read(db: &Connection) -> Result<BTreeMap<String, Session>> {
    let mut sessions = BTreeMap::new();
    let mut found = db.prepare("SELECT id, state, due_at IS NOT NULL, body FROM session")?;
    let mut found = found.query([])?;
    while let Some(row) = found.next()? {
        let body: String = row.get(3)?;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let voices = body["contributions"].as_array().cloned();
        let voice = |voice: Value| {
            let agent = voice["agent"].as_str().unwrap_or_default().to_owned();
            (voice["round"].as_u64().unwrap_or_default(), agent)
        };
        let session = Session {
            state: row.get(1)?,
            due: row.get(2)?,
            voices: voices.into_iter().flatten().map(voice).collect(),
        };
        sessions.insert(id(row.get_ref(0)?), session);
    }
    Ok(sessions)
}
