//! Ports that are ours alone. Tests of many processes start nodes at once, and asking the system for "any free port"
//! gives one that somebody else may get before the node binds it. So ports are taken in blocks below the range
//! that the system gives out by itself; the first port of a block stays bound here, as the lock of all others.

use std::net::{Ipv4Addr, TcpListener};

const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
const BLOCK: u16 = 8;

/// A block, ours as long as this lives.
#[derive(Debug)]
pub(crate) struct Ports {
    lock: u16,
    _held: TcpListener,
}

impl Ports {
    #[track_caller]
    pub(crate) fn take() -> Ports {
        let blocks = (LAST - FIRST) / BLOCK;
        let begin = fastrand::u16(..blocks);
        (0..blocks)
            .find_map(|step| block(FIRST + (begin + step) % blocks * BLOCK))
            .unwrap_or_else(|| panic!("no {BLOCK} free ports in a row from {FIRST} to {LAST}"))
    }

    /// For a server with one port only.
    pub(crate) fn first(&self) -> u16 {
        self.lock + 1
    }

    pub(crate) fn amqp(&self) -> u16 {
        self.lock + 1
    }

    pub(crate) fn amqps(&self) -> u16 {
        self.lock + 2
    }

    pub(crate) fn management(&self) -> u16 {
        self.lock + 3
    }

    pub(crate) fn prometheus(&self) -> u16 {
        self.lock + 4
    }

    pub(crate) fn distribution(&self) -> u16 {
        self.lock + 5
    }

    pub(crate) fn door(&self) -> u16 {
        self.lock + 6
    }

    pub(crate) fn epmd(&self) -> u16 {
        self.lock + 7
    }
}

/// The others are tried as well: a node whose test was killed may need a moment more to go.
fn block(first: u16) -> Option<Ports> {
    let lock = bind(first)?;
    (first + 1..first + BLOCK)
        .all(|port| bind(port).is_some())
        .then_some(Ports {
            lock: first,
            _held: lock,
        })
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nobody_gets_ports_of_another_while_they_are_held() {
        let taken: Vec<Ports> = (0..50).map(|_| Ports::take()).collect();
        let firsts: BTreeSet<u16> = taken.iter().map(|ports| ports.lock).collect();
        assert_eq!(firsts.len(), 50);
        assert!(block(taken[0].lock).is_none());
    }

    #[test]
    fn a_block_with_one_port_in_use_is_passed_over() {
        let ports = Ports::take();
        let _busy = bind(ports.epmd()).unwrap();
        let first = ports.lock;
        drop(ports);
        assert!(block(first).is_none());
    }
}
