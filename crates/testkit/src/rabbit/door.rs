//! The door of a node: a socket that evaluates Erlang inside the broker, in milliseconds.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

const DOOR: &str = include_str!("door.erl");
/// What one answer may take: the broker may be as busy as the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// A longer answer is a mistake in the expression.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Where it is, and its key.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    port: u16,
    token: String,
}

impl Door {
    pub(crate) fn new(port: u16, token: String) -> Door {
        Door { port, token }
    }

    /// The script that opens it.
    pub(crate) fn script(&self) -> String {
        DOOR.replace("@PORT@", &self.port.to_string())
            .replace("@TOKEN@", &self.token)
    }

    /// What the expressions came to, as Erlang writes it.
    pub(crate) fn eval(&self, expressions: &str) -> io::Result<String> {
        self.eval_within(PATIENCE, expressions)
    }

    pub(crate) fn eval_within(&self, patience: Duration, expressions: &str) -> io::Result<String> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port).into();
        let mut socket = TcpStream::connect_timeout(&address, patience)?;
        socket.set_read_timeout(Some(patience))?;
        let question = format!("{} {expressions}", self.token);
        let length = u32::try_from(question.len()).map_err(io::Error::other)?;
        socket.write_all(&[&length.to_be_bytes(), question.as_bytes()].concat())?;

        let mut length = [0; 4];
        socket.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > ANSWER_BYTES_MAX {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; length];
        socket.read_exact(&mut answer)?;
        let answer = String::from_utf8(answer).map_err(io::Error::other)?;
        match answer.split_once(' ') {
            Some(("ok", value)) => Ok(value.to_owned()),
            _ => Err(io::Error::other(format!("{expressions}: {answer}"))),
        }
    }
}
