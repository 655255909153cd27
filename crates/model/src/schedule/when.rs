//! Which slots there are: of a cron pattern in its time zone, of an interval, of a moment.

use crate::time::Timestamp;
use croner::parser::{CronParser, Seconds};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

/// The zones come with the program, so that all servers have the same.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// As the clocks on the wall of a zone say.
    Cron {
        /// Five fields, or six with seconds first.
        pattern: String,
        /// A zone of the IANA database.
        time_zone: String,
    },
    /// Again and again, whatever clocks are set to.
    Every {
        /// The first one, unless that has passed.
        from: Timestamp,
        /// From each to the next, in ms.
        every_ms: u64,
    },
    /// Once.
    Once {
        /// When.
        at: Timestamp,
    },
}

impl When {
    /// A cron pattern that can be read, in a zone that there is.
    ///
    /// # Errors
    /// The field that is wrong, `cron` or `time_zone`, and what is wrong with it.
    pub fn cron(pattern: &str, time_zone: &str) -> Result<When, (&'static str, String)> {
        parse(pattern).map_err(|error| ("cron", error))?;
        zone(time_zone).map_err(|error| ("time_zone", error))?;
        Ok(When::Cron {
            pattern: pattern.into(),
            time_zone: time_zone.into(),
        })
    }

    /// The first slot after a moment. None if there is no other; a cron pattern without one for decades has none.
    pub fn after(&self, t: Timestamp) -> Option<Timestamp> {
        self.walk()?.after(t)
    }

    /// The slots after `from` and up to `now`, oldest first: the newest of them, if there are more than `limit`.
    ///
    /// Looks ahead only, from further and further back: looking back in a calendar finds other slots than looking ahead
    /// does where clocks are set.
    pub fn between(&self, from: Timestamp, now: Timestamp, limit: usize) -> Vec<Timestamp> {
        let Some(walk) = self.walk() else {
            return vec![];
        };
        let ahead = |from: Timestamp| {
            let slots = std::iter::successors(walk.after(from), |at| walk.after(*at));
            slots.take_while(|at| *at <= now)
        };
        let found: Vec<Timestamp> = ahead(from).take(limit + 1).collect();
        if found.len() <= limit {
            return found;
        }
        let mut span = SHORTEST_LOOK;
        loop {
            let start = now.minus(span).max(from);
            let mut newest = VecDeque::with_capacity(limit + 1);
            for at in ahead(start) {
                newest.push_back(at);
                if newest.len() > limit {
                    newest.pop_front();
                }
            }
            if newest.len() == limit || start == from {
                return newest.into();
            }
            span = span.saturating_mul(4);
        }
    }

    /// Ready to be asked many times; none if what is stored cannot be read any more.
    fn walk(&self) -> Option<Walk> {
        Some(match self {
            When::Cron { pattern, time_zone } => {
                Walk::Cron(Box::new(parse(pattern).ok()?), zone(time_zone).ok()?)
            }
            When::Every { from, every_ms } => {
                let every = i64::try_from(*every_ms).ok().filter(|every| *every > 0)?;
                Walk::Every(from.as_millis(), every)
            }
            When::Once { at } => Walk::Once(*at),
        })
    }
}

/// How far back is looked first; four times as far each time after.
const SHORTEST_LOOK: Duration = Duration::from_secs(60);

enum Walk {
    Cron(Box<croner::Cron>, TimeZone),
    /// The first, and from each to the next, in ms.
    Every(i64, i64),
    Once(Timestamp),
}

impl Walk {
    fn after(&self, t: Timestamp) -> Option<Timestamp> {
        match self {
            Walk::Cron(cron, zone) => {
                let at = jiff::Timestamp::from_millisecond(t.as_millis()).ok()?;
                let from = at.to_zoned(zone.clone());
                let found = cron.find_next_occurrence(&from, false).ok()?;
                let at = Timestamp::from_millis(found.timestamp().as_millisecond());
                Some(at).filter(|at| *at > t)
            }
            Walk::Every(from, every) => {
                let behind = t.as_millis().checked_sub(*from)?;
                let number = if behind < 0 { 0 } else { behind / every + 1 };
                let at = from.checked_add(number.checked_mul(*every)?)?;
                Some(Timestamp::from_millis(at))
            }
            Walk::Once(at) => Some(*at).filter(|at| *at > t),
        }
    }
}

fn parse(pattern: &str) -> Result<croner::Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    parser.parse(pattern).map_err(|error| {
        format!("{error}; a pattern is \"minute hour day month weekday\", such as \"30 6 * * 1-5\"")
    })
}

fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = "is no time zone; name one such as UTC or Europe/Berlin";
    ZONES
        .get(name)
        .map_err(|_| format!("\"{name:.60}\" {unknown}"))
}
