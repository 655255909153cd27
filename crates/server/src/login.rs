//! How browsers come in. A one-time code from the fragment of an address is exchanged for a session; both are random,
//! kept in memory only, few, and gone with the server.

use crate::auth::same;
use crate::state::App;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use futures_util::StreamExt;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use warrener_api::Problem;

/// Codes and sessions that are kept; the oldest goes when one more comes.
const KEPT: usize = 32;
/// So many wrong codes may come at once.
const MISSES: u32 = 10;
/// One more is allowed after this; the same time is in Retry-After.
const MISS_EVERY: Duration = Duration::from_secs(5);

/// Codes and sessions of one server; cheap to clone.
#[derive(Clone)]
pub struct Logins {
    code_life: Duration,
    session_life: Duration,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    codes: Vec<Secret>,
    sessions: Vec<Secret>,
    /// Wrong codes, and since when they are counted.
    misses: Option<(u32, Instant)>,
}

struct Secret {
    text: String,
    until: Instant,
    /// Cancelled when it is forgotten, for whatever reason.
    gone: CancellationToken,
}

/// A session that goes on. What a browser opens by it, and keeps open, ends with it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    until: Instant,
    gone: CancellationToken,
}

/// What came of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    /// A session.
    Session(String),
    /// The code is none, was used, or is too old.
    No,
    /// None either, and too many such were tried.
    TooMany,
}

impl Default for Logins {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Logins::new(minutes(10), minutes(12 * 60))
    }
}

impl Logins {
    /// With these lives of a code and of a session.
    pub fn new(code_life: Duration, session_life: Duration) -> Self {
        Logins {
            code_life,
            session_life,
            kept: Arc::default(),
        }
    }

    /// A fresh code, which lets one browser in, once.
    pub fn code(&self) -> String {
        let now = Instant::now();
        keep(&mut self.kept().codes, now, self.code_life)
    }

    /// How long a code can be used.
    pub fn code_life(&self) -> Duration {
        self.code_life
    }

    pub(crate) fn session_life(&self) -> Duration {
        self.session_life
    }

    /// Takes a code for a session.
    ///
    /// Only wrong codes are counted, and a good one passes however many came before it: who guesses keeps nobody out.
    pub(crate) fn redeem(&self, code: &str) -> Redeemed {
        let (now, mut kept) = (Instant::now(), self.kept());
        match find(&kept.codes, code, now) {
            Some(index) => {
                kept.codes.remove(index);
                Redeemed::Session(keep(&mut kept.sessions, now, self.session_life))
            }
            None if kept.may_miss(now) => Redeemed::No,
            None => Redeemed::TooMany,
        }
    }

    /// A session, if it goes on.
    fn session(&self, text: &str) -> Option<Session> {
        let kept = self.kept();
        let secret = &kept.sessions[find(&kept.sessions, text, Instant::now())?];
        Some(Session {
            until: secret.until,
            gone: secret.gone.clone(),
        })
    }

    /// Ends a session; whether there was one.
    pub(crate) fn end(&self, session: &str) -> bool {
        let mut kept = self.kept();
        let found = find(&kept.sessions, session, Instant::now());
        found.map(|index| kept.sessions.remove(index)).is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn may_miss(&mut self, now: Instant) -> bool {
        let (used, since) = self.misses.unwrap_or((0, now));
        let back = now.duration_since(since).as_millis() / MISS_EVERY.as_millis();
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        let (used, since) = match used.checked_sub(back) {
            None | Some(0) => (0, now),
            Some(left) => (left, since + MISS_EVERY * back),
        };
        let may = used < MISSES;
        self.misses = Some((used + u32::from(may), since));
        may
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Session {
    /// Waits until its time is over, or it was ended before.
    pub(crate) async fn over(self) {
        tokio::select! {
            () = self.gone.cancelled() => {}
            () = sleep_until(self.until) => {}
        }
    }

    /// An answer to it: a stream goes on for as long as the session, whatever its handler is at. Anything else is short,
    /// and better whole.
    pub(crate) fn bound(self, response: Response) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE);
        match kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            true => response
                .map(|body| Body::from_stream(body.into_data_stream().take_until(self.over()))),
            false => response,
        }
    }
}

fn keep(secrets: &mut Vec<Secret>, now: Instant, life: Duration) -> String {
    secrets.retain(|secret| secret.until > now);
    if secrets.len() >= KEPT {
        secrets.remove(0);
    }
    // 244 bits of the system's random source.
    let text = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let until = now + life;
    secrets.push(Secret {
        text: text.clone(),
        until,
        gone: CancellationToken::new(),
    });
    text
}

/// Looks at every one of them, however early it is found.
fn find(secrets: &[Secret], text: &str, now: Instant) -> Option<usize> {
    let mut found = None;
    for (index, secret) in secrets.iter().enumerate() {
        if same(secret.text.as_bytes(), text.as_bytes()) && secret.until > now {
            found = Some(index);
        }
    }
    found
}

/// Cookies know no ports: servers of one machine must not overwrite each other's.
pub(crate) fn cookie_name(secure: bool, port: u16) -> String {
    let prefix = if secure { "__Host-" } else { "" };
    format!("{prefix}warrener_{port}")
}

/// The session that a request shows.
pub(crate) fn shown<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The session for which a request may pass; nothing if it shows none, or a token as well.
///
/// A browser sends the cookie along with whatever a page asks for. What changes something must therefore say which
/// page asks; that it is one of the server's own, the guard has checked.
pub(crate) fn session(app: &App, request: &Request) -> Option<Result<Session, Problem>> {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    let text = shown(headers, &app.cookie)?;
    let Some(session) = app.options.logins.session(text) else {
        let detail = "the browser's session is over";
        let hint = "`warrener server login` prints a fresh address for the browser";
        return Some(Err(Problem::new("unauthenticated", detail).hint(hint)));
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !headers.contains_key(header::ORIGIN) {
        let detail = "a browser's request that changes something must have an Origin";
        let hint = "programs use the token instead of a browser's session";
        return Some(Err(Problem::new("not_allowed", detail).hint(hint)));
    }
    Some(Ok(session))
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    impl Logins {
        fn knows(&self, session: &str) -> bool {
            self.session(session).is_some()
        }
    }

    fn session_of(logins: &Logins, code: &str) -> Option<String> {
        match logins.redeem(code) {
            Redeemed::Session(session) => Some(session),
            Redeemed::No | Redeemed::TooMany => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_works_once_and_in_time_and_a_session_until_it_ends() {
        let logins = Logins::default();
        let (code, late) = (logins.code(), logins.code());
        assert_ne!(code, late);
        let session = session_of(&logins, &code).unwrap();
        assert_eq!(session_of(&logins, &code), None, "twice");
        assert!(logins.knows(&session) && !logins.knows(&code));
        tokio::time::advance(logins.code_life()).await;
        assert_eq!(session_of(&logins, &late), None, "late");
        let other = session_of(&logins, &logins.code()).unwrap();
        assert!(logins.end(&other) && !logins.end(&other) && !logins.knows(&other));
        tokio::time::advance(logins.session_life()).await;
        assert!(!logins.knows(&session));
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_run_out_and_come_back_and_a_good_code_always_passes() {
        let logins = Logins::default();
        let (first, second) = (logins.code(), logins.code());
        for _ in 0..MISSES {
            assert_eq!(logins.redeem("guess"), Redeemed::No);
        }
        assert_eq!(logins.redeem("guess"), Redeemed::TooMany);
        assert!(
            session_of(&logins, &first).is_some(),
            "guessers keep it out"
        );
        assert_eq!(logins.redeem(&first), Redeemed::TooMany, "used: a miss");
        tokio::time::advance(MISS_EVERY).await;
        assert!(session_of(&logins, &second).is_some());
        assert_eq!(logins.redeem("guess"), Redeemed::No, "a hit was counted");
        assert_eq!(logins.redeem("guess"), Redeemed::TooMany);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_over_when_it_is_ended_too_old_or_pushed_out() {
        let logins = Logins::default();
        let open = || {
            let text = session_of(&logins, &logins.code()).unwrap();
            let session = logins.session(&text).unwrap();
            (text, Box::pin(session.over()))
        };
        let ((oldest, mut pushed), (ended, mut out), (_, mut old)) = (open(), open(), open());
        assert!((&mut out).now_or_never().is_none());
        assert!(logins.end(&ended));
        out.await;
        while logins.knows(&oldest) {
            assert!((&mut pushed).now_or_never().is_none());
            drop(open());
        }
        pushed.await;
        let life = logins.session_life();
        tokio::time::advance(life - Duration::from_secs(1)).await;
        assert!((&mut old).now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(old.now_or_never().is_some());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let logins = Logins::default();
        let codes: Vec<String> = (0..=KEPT).map(|_| logins.code()).collect();
        assert_eq!(logins.redeem(&codes[0]), Redeemed::No);
        assert!(session_of(&logins, &codes[1]).is_some());
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "a=b; warrener_1=x; warrener_2=y".parse().unwrap(),
        );
        headers.append(header::COOKIE, "warrener_3=z".parse().unwrap());
        assert_eq!(shown(&headers, "warrener_2"), Some("y"));
        assert_eq!(shown(&headers, "warrener_3"), Some("z"));
        assert_eq!(shown(&headers, "warrener_4"), None);
    }
}
