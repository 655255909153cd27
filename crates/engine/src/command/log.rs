//! The log of one attempt: what a program writes to stderr. The first half of the bound goes out live, the last half
//! waits in a ring until the end. Memory is bounded by the bound, however long a line is.

use super::heard::Ear;
use super::{Signal, text};
use bytes::BytesMut;
use std::collections::VecDeque;
use warrener_model::limits;

/// Bytes of one [`Signal::Log`].
pub(super) const CHUNK: usize = 32 * 1024;
/// Bytes that may wait for a slow receiver before the program is made to wait.
const BACKLOG: usize = 2 * CHUNK;

/// Collects stderr and cuts it into chunks.
#[derive(Debug)]
pub(super) struct Log {
    half: usize,
    head_left: usize,
    pending: BytesMut,
    tail: VecDeque<u8>,
    left_out: u64,
    closed: bool,
    last: LastLine,
}

impl Log {
    /// A log that keeps `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let half = limit / 2;
        let (pending, tail) = (BytesMut::new(), VecDeque::new());
        let last = LastLine::default();
        Self {
            half,
            head_left: limit - half,
            pending,
            tail,
            left_out: 0,
            closed: false,
            last,
        }
    }

    /// Nothing more will be read: from now on `next` gives the rest, an unfinished line too.
    pub(super) fn close(&mut self) {
        self.closed = true;
        if self.left_out == 0 {
            self.pending.extend(self.tail.drain(..));
        }
    }

    /// Where the next chunk ends: behind its last line end if it has one.
    fn cut(&self) -> Option<usize> {
        let window = &self.pending[..self.pending.len().min(CHUNK)];
        let line_end = window
            .iter()
            .rposition(|byte| is_line_end(*byte))
            .map(|at| at + 1);
        let cut = match line_end {
            Some(cut) => cut,
            None if window.len() == CHUNK || self.closed => window.len(),
            None => return None,
        };
        let cut = if self.pending.len() > cut {
            text::whole(&window[..cut])
        } else {
            cut
        };
        // Each byte that is not UTF-8 becomes a character of three.
        let cut = if std::str::from_utf8(&window[..cut]).is_ok() {
            cut
        } else {
            cut.min(CHUNK / 3)
        };
        (cut > 0).then_some(cut)
    }

    /// The last line with something in it, for the message of a failure.
    pub(super) fn last_line(&self) -> Option<String> {
        self.last.get()
    }
}

impl Ear for Log {
    fn push(&mut self, bytes: &[u8]) {
        self.last.push(bytes);
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_left));
        self.head_left -= head.len();
        self.pending.extend_from_slice(head);
        let kept = &rest[rest.len().saturating_sub(self.half)..];
        let overflow = (self.tail.len() + kept.len()).saturating_sub(self.half);
        self.tail.drain(..overflow);
        self.tail.extend(kept);
        self.left_out += (rest.len() - kept.len() + overflow) as u64;
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= BACKLOG
    }

    fn has_next(&self) -> bool {
        self.cut().is_some()
    }

    fn next(&mut self) -> Option<Signal> {
        if let Some(cut) = self.cut() {
            let text = String::from_utf8_lossy(&self.pending.split_to(cut)).into_owned();
            return Some(Signal::Log {
                stream: "stderr",
                text,
            });
        }
        if !self.closed || self.tail.is_empty() {
            return None;
        }
        // The ring begins wherever the bound fell; the rest of a cut character is left out as well.
        let broken = self
            .tail
            .iter()
            .take(3)
            .take_while(|byte| text::continues(**byte))
            .count();
        self.pending.extend(self.tail.drain(..).skip(broken));
        let left_out = self.left_out + broken as u64;
        Some(Signal::note(format!(
            "[{left_out} bytes of the log are left out here]\n"
        )))
    }
}

/// A progress bar redraws its line with `\r` and may never write `\n`.
fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Remembers the start of the last line that is not blank.
#[derive(Debug, Default)]
struct LastLine {
    whole: Vec<u8>,
    current: Vec<u8>,
}

impl LastLine {
    fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| is_line_end(*byte)) {
            let room = limits::ERROR_MESSAGE_BYTES - self.current.len();
            self.current
                .extend_from_slice(&part[..part.len().min(room)]);
            if part.last().is_some_and(|byte| is_line_end(*byte)) {
                if !self.current.trim_ascii().is_empty() {
                    std::mem::swap(&mut self.whole, &mut self.current);
                }
                self.current.clear();
            }
        }
    }

    fn get(&self) -> Option<String> {
        let current = self.current.trim_ascii();
        let line = if current.is_empty() {
            self.whole.trim_ascii()
        } else {
            current
        };
        let line = String::from_utf8_lossy(line);
        (!line.is_empty()).then(|| text::clip(&line, limits::ERROR_MESSAGE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(log: &mut Log) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(signal) = log.next() {
            let Signal::Log { text, .. } = signal else {
                panic!("a log has only text")
            };
            found.push(text);
        }
        found
    }

    #[test]
    fn lines_leave_at_once_and_an_unfinished_one_at_the_end() {
        let mut log = Log::new(1000);
        log.push(b"one\ntwo\nthr");
        assert_eq!(chunks(&mut log), ["one\ntwo\n"]);
        log.push(b"ee");
        assert!(!log.has_next());
        log.close();
        assert_eq!(chunks(&mut log), ["three"]);
        assert_eq!(log.last_line().as_deref(), Some("three"));
    }

    #[test]
    fn both_halves_are_kept_and_the_middle_is_counted() {
        for limit in [20, 21] {
            let mut log = Log::new(limit);
            let mut all: Vec<u8> = Vec::new();
            for number in 0..100 {
                let line = format!("{number:03}\n");
                log.push(line.as_bytes());
                all.extend(line.bytes());
            }
            log.close();
            let text = chunks(&mut log).concat();
            let (head, rest) = text.split_once('[').expect("a note about the middle");
            let (note, tail) = rest.split_once("]\n").expect("a note on a line of its own");
            assert_eq!(head.len() + tail.len(), limit);
            assert_eq!(
                note,
                format!("{} bytes of the log are left out here", 400 - limit)
            );
            assert!(all.starts_with(head.as_bytes()) && all.ends_with(tail.as_bytes()));
        }
    }

    #[test]
    fn just_at_the_bound_nothing_is_left_out() {
        let mut log = Log::new(8);
        log.push("aaaäbbb".as_bytes());
        log.close();
        assert_eq!(chunks(&mut log).concat(), "aaaäbbb");
    }

    #[test]
    fn chunks_break_no_character_and_stay_small_whatever_the_bytes() {
        let mut log = Log::new(limits::LOG_BYTES);
        log.push("x".as_bytes());
        log.push("€".repeat(50_000).as_bytes());
        log.close();
        let found = chunks(&mut log);
        assert_eq!(found.concat(), format!("x{}", "€".repeat(50_000)));
        log = Log::new(limits::LOG_BYTES);
        log.push(&[0xff; 200_000]);
        log.close();
        let found = chunks(&mut log);
        assert!(found.iter().all(|text| text.len() <= CHUNK));
        assert_eq!(found.concat().chars().count(), 200_000);
    }

    #[test]
    fn the_last_line_is_bounded_and_not_blank() {
        let mut log = Log::new(10);
        assert_eq!(log.last_line(), None);
        log.push(b"cause\n  \n\r\n");
        assert_eq!(log.last_line().as_deref(), Some("cause"));
        log.push(&[b'y'; 10_000]);
        log.push(&[0xff; 10]);
        let line = log.last_line().expect("a line");
        assert_eq!(line.len(), limits::ERROR_MESSAGE_BYTES);
    }
}
