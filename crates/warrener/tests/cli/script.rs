//! A server that answers what is written down, and remembers what it was asked.

use crate::place::{Place, Ran};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A request as it came: its line, its headers and its body.
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// Answers connections one after the other: status and body; nothing is a connection that is closed without a word.
pub(crate) struct Script {
    pub(crate) url: String,
    asked: Receiver<Asked>,
}

impl Script {
    pub(crate) fn new<A>(answers: A) -> Self
    where
        A: IntoIterator<Item = Option<(u16, String)>, IntoIter: Send> + 'static,
    {
        let answers = answers.into_iter();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!(
            "http://{}",
            listener.local_addr().expect("it has an address")
        );
        let (send, asked) = channel();
        thread::spawn(move || {
            for (stream, answer) in listener.incoming().zip(answers) {
                let mut stream = stream.expect("a connection");
                _ = send.send(read(&stream));
                if let Some((status, body)) = answer {
                    let kind = if status < 400 { "json" } else { "problem+json" };
                    let length = body.len();
                    _ = write!(
                        stream,
                        "HTTP/1.1 {status} X\r\ncontent-type: application/{kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                }
            }
        });
        Script { url, asked }
    }

    pub(crate) fn one(status: u16, body: impl Into<String>) -> Self {
        Script::new(vec![Some((status, body.into()))])
    }

    pub(crate) fn run(&self, place: &Place, line: &str) -> Ran {
        place.run(&format!("{line} --server {}", self.url))
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked
            .recv_timeout(Duration::from_secs(10))
            .expect("a request came")
    }
}

/// Reads one request.
pub(crate) fn read(stream: &TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), String::new());
    _ = reader.read_line(&mut line);
    while !headers.ends_with("\r\n\r\n") && reader.read_line(&mut headers).is_ok_and(|n| n > 2) {}
    let headers = headers.to_lowercase();
    let length = headers
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.and_then(|n| n.trim().parse().ok()).unwrap_or(0)];
    _ = reader.read_exact(&mut body);
    let body = String::from_utf8_lossy(&body).into_owned();
    let line = line.trim().to_owned();
    Asked {
        line,
        headers,
        body,
    }
}
