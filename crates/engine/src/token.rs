//! Task tokens: what a running program may show to the server as its own (contracts.md section 4). Made from a secret,
//! never stored; a token is good for one task under one epoch, so it dies with the attempt.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use warrener_model::TaskId;

/// Makes and reads task tokens.
#[derive(Clone)]
pub struct TaskTokens {
    secret: [u8; 32],
}

/// The right that a token gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskRight {
    /// The task.
    pub task: TaskId,
    /// The epoch that it dies with.
    pub epoch: u64,
}

const PREFIX: &str = "wt1";

impl TaskTokens {
    /// From the secret of this server's data folder.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// A token for one task under one epoch.
    pub fn mint(&self, task: TaskId, epoch: u64) -> String {
        let body = format!("{PREFIX}.{task}.{epoch}");
        let seal = hex(&self.seal(&body).finalize().into_bytes());
        format!("{body}.{seal}")
    }

    /// What a token is for; `None` for anything that this server did not make.
    pub fn read(&self, token: &str) -> Option<TaskRight> {
        let (body, seal) = token.rsplit_once('.')?;
        self.seal(body).verify_slice(&unhex(seal)?).ok()?;
        let mut parts = body.split('.');
        if parts.next()? != PREFIX {
            return None;
        }
        Some(TaskRight {
            task: parts.next()?.parse().ok()?,
            epoch: parts.next()?.parse().ok()?,
        })
    }

    fn seal(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length will do");
        mac.update(body.as_bytes());
        mac
    }
}

impl Default for TaskTokens {
    /// For tests and single processes: a secret that dies with the process.
    fn default() -> Self {
        let mut secret = [0; 32];
        fastrand::fill(&mut secret);
        Self { secret }
    }
}

impl std::fmt::Debug for TaskTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TaskTokens(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()
        .filter(|bytes| bytes.len() == 32 && text.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_task_and_epoch_only() {
        let tokens = TaskTokens::default();
        let task = TaskId::from_bytes([7; 16]);
        let token = tokens.mint(task, 3);
        assert_eq!(tokens.read(&token), Some(TaskRight { task, epoch: 3 }));
        assert_eq!(tokens.read(&token.replace(".3.", ".4.")), None);
        assert_eq!(TaskTokens::new([1; 32]).read(&token), None);
        for bad in ["", ".", "wt1", "a.b.c.d", "ä.ö", &token[..token.len() - 1]] {
            assert_eq!(tokens.read(bad), None, "{bad}");
        }
    }
}
