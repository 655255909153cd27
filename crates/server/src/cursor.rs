//! Keyset cursors: where a page ended, bound to the list that it belongs to. Opaque to clients, and no secret: a
//! forged one shows nothing that another request would not.

use crate::failure::{Answer, Failure};
use warrener_api::Problem;
use warrener_model::TaskId;

/// A list, as far as its cursors go: its name, filter and order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListId(u64);

impl ListId {
    /// The list that these words describe.
    pub(crate) fn of(words: &[&str]) -> Self {
        // FNV-1a: the same in every version and process, as cursors outlive a restart.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in words.join("\u{0}").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        ListId(hash)
    }

    /// A cursor after this place.
    pub(crate) fn seal(self, place: &[u8]) -> String {
        use std::fmt::Write;
        let bytes = self
            .0
            .to_be_bytes()
            .into_iter()
            .chain(place.iter().copied());
        bytes.fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
            text
        })
    }

    /// The place of a cursor of this list.
    pub(crate) fn open(self, cursor: &str) -> Answer<Vec<u8>> {
        let bytes = unhex(cursor).filter(|bytes| bytes.len() >= 8);
        let bytes = bytes.ok_or_else(|| no("this is no cursor of this server"))?;
        let (list, place) = bytes.split_at(8);
        if list != self.0.to_be_bytes() {
            return Err(no("this cursor belongs to another list, filter or sort"));
        }
        Ok(place.to_vec())
    }
}

/// The error of a cursor that is none.
pub(crate) fn no(detail: &str) -> Failure {
    Problem::new("cursor_invalid", detail).into()
}

/// The place of a task: the number it is sorted by, and its id.
pub(crate) fn task_place((number, id): (i64, TaskId)) -> Vec<u8> {
    [&number.to_be_bytes()[..], id.as_bytes()].concat()
}

/// Back from [`task_place`].
pub(crate) fn read_task_place(place: &[u8]) -> Answer<(i64, TaskId)> {
    let parts = place.split_at_checked(8).and_then(|(number, id)| {
        let number = i64::from_be_bytes(number.try_into().ok()?);
        Some((number, TaskId::from_bytes(id.try_into().ok()?)))
    });
    parts.ok_or_else(|| no("this is no cursor of this list"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 512 {
        return None;
    }
    let pair = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_list_only() {
        let list = ListId::of(&["tasks", "state:dead", "-created_at"]);
        let place = (-5, TaskId::from_bytes([7; 16]));
        let cursor = list.seal(&task_place(place));
        let opened = list.open(&cursor).unwrap();
        assert_eq!(read_task_place(&opened).unwrap(), place);
        let other = ListId::of(&["tasks", "state:dead", "created_at"]);
        assert!(other.open(&cursor).is_err());
        for bad in ["", "zz", "abc", "ä", &cursor[1..], &"0".repeat(1_000)] {
            assert!(list.open(bad).is_err(), "{bad}");
        }
        assert!(read_task_place(&[1, 2]).is_err());
    }
}
