//! Every bound of the product (contracts.md section 0), each with its unit and reason.

use std::time::Duration;

/// Characters of a title: one line on a screen.
pub const TITLE_CHARS: usize = 200;
/// Bytes of a description: a brief, not a document.
pub const DESCRIPTION_BYTES: usize = 16 * 1024;
/// Bytes of an input as JSON: travels in one broker message.
pub const INPUT_BYTES: usize = 256 * 1024;
/// Bytes of an output as JSON: travels in one broker message.
pub const OUTPUT_BYTES: usize = 1024 * 1024;
/// Bytes of an error message: enough to name the cause; the rest belongs in the log.
pub const ERROR_MESSAGE_BYTES: usize = 4 * 1024;
/// Bytes of an error's detail as JSON: travels beside the message.
pub const DETAIL_BYTES: usize = 64 * 1024;
/// Bytes of the words of a progress: one line on a screen, with room.
pub const PROGRESS_MESSAGE_BYTES: usize = 4 * 1024;
/// Labels of a task, and the characters of a key and a value: an index, not a payload.
pub const LABELS: usize = 32;
/// Characters of a label's key.
pub const LABEL_KEY_CHARS: usize = 48;
/// Characters of a label's value.
pub const LABEL_VALUE_CHARS: usize = 256;
/// Bytes of log kept for one attempt: the first and the last half.
pub const LOG_BYTES: usize = 10 * 1024 * 1024;
/// Items of one batch.
pub const BATCH_ITEMS: usize = 10_000;
/// Bytes of one batch.
pub const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Delay and deadline: ten years.
pub const HORIZON: Duration = Duration::from_secs(3653 * 86_400);
/// Nesting of JSON: deep enough for data, not for an attack on the stack.
pub const JSON_DEPTH: usize = 64;
/// Bytes of one frame on the link.
pub const LINK_FRAME_BYTES: usize = 2 * 1024 * 1024;
/// Characters of an idempotency key, all printable.
pub const IDEMPOTENCY_KEY_CHARS: usize = 200;
/// How long an idempotency key is kept at least.
pub const IDEMPOTENCY_KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Starts of all classes together, unless the task says otherwise.
pub const MAX_ATTEMPTS: u32 = 25;
/// The largest `max_attempts` that a task may ask for.
pub const MAX_ATTEMPTS_MOST: u32 = 10_000;
/// Refusals by broker or agents until a task is dead (rejected).
pub const REFUSALS: u32 = 3;
/// Rows of one page of a list.
pub const PAGE_ROWS: usize = 1_000;
/// The longest a request may wait for a task.
pub const WAIT: Duration = Duration::from_secs(60);
/// Slots of one agent.
pub const SLOTS: u32 = 1_024;
/// `retry_after` of a handler: at most a day.
pub const RETRY_AFTER: Duration = Duration::from_secs(86_400);
/// Generations below a task: one that opens itself for ever ends here. Deep enough for lead, module, file, check and fix;
/// ten children each make a hundred thousand tasks by then, which an operator can still cancel.
pub const SPAWN_DEPTH: usize = 5;
/// Steps of the workflow of a task's parts.
pub const PARTS: usize = 100;
/// Bytes kept of the body of a refused message: enough to see what it was.
pub const REFUSED_BYTES: usize = 64 * 1024;
/// Refused messages kept; the oldest go.
pub const REFUSED_ROWS: u64 = 10_000;
/// Characters kept of why a message was refused, and of the type it claims.
pub const REFUSED_REASON_CHARS: usize = 1_024;
/// Options of a session: what somebody can still rank.
pub const SESSION_OPTIONS: usize = 20;
/// Rounds of a session.
pub const SESSION_ROUNDS: u32 = 9;
/// Agents that one session invites.
pub const SESSION_MEMBERS: usize = 256;
/// Bytes of a suggestion, and of an option: one thought.
pub const SUGGESTION_BYTES: usize = 2 * 1024;
/// Bytes of a rationale; with it and its suggestions, what all say fits into one invitation.
pub const RATIONALE_BYTES: usize = 4 * 1024;
/// The longest that one round may take: a week.
pub const SESSION_ROUND: Duration = Duration::from_secs(7 * 86_400);
/// Sessions open at once.
pub const SESSIONS_OPEN: usize = 1_000;
/// Refused answers that one session counts; more are counted by the server only.
pub const SESSION_REFUSALS: u32 = 1_000;
/// Bytes of a value of shared state as JSON: travels in one broker message.
pub const STATE_VALUE_BYTES: usize = 256 * 1024;
/// How long a lock may be held without being renewed: who is gone for a day is not coming back.
pub const LOCK_LEASE: Duration = Duration::from_secs(86_400);
/// Characters of a lock's holder and of the id of a request, all printable.
pub const STATE_WORD_CHARS: usize = 200;
/// Keys of a space that one restore may write: all of them in one transaction, which others wait for.
pub const RESTORE_KEYS: usize = 100_000;
/// Bytes of the values that one restore may write: nobody else writes meanwhile.
pub const RESTORE_BYTES: usize = 32 * 1024 * 1024;
