//! What a server says instead of opening the link, as one sentence for people.

use warrener_api::Problem;

/// Characters of a body that is no problem.
const QUOTED: usize = 200;

/// The status, and what the body says: detail (or title) and hint of a problem, plain words as they are; no pieces of JSON or HTML.
pub(super) fn sentence(status: impl std::fmt::Display, body: &[u8]) -> String {
    let answered = format!("the server answered {status}");
    if let Some(problem) = Problem::read(body) {
        let what = match problem.detail.trim() {
            "" => &problem.title,
            _ => &problem.detail,
        };
        let words = [what, &problem.hint];
        let words: Vec<&str> = words.into_iter().map(|it| it.trim()).collect();
        let words = words.join("; ");
        return format!("{answered}: {}", words.trim_end_matches("; "));
    }
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().take(QUOTED).collect();
    if text.is_empty() || text.starts_with(['{', '[', '<']) {
        return answered;
    }
    format!("{answered}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_it_is_and_what_to_do() {
        let body = br#"{"type":"t","title":"this token may not do that","status":403,"detail":"agents may not do that","code":"not_allowed",
            "hint":"use a token whose role allows it","request_id":"r"}"#;
        let wanted = "the server answered 403 Forbidden: agents may not do that; use a token whose role allows it";
        assert_eq!(sentence("403 Forbidden", body), wanted);
        let bare = br#"{"title":"no","code":"x"}"#;
        assert_eq!(sentence(403, bare), "the server answered 403: no");
    }

    #[test]
    fn what_is_no_problem_is_quoted_only_if_a_person_can_read_it() {
        let torn = br#"{"type":"https://warrener.dev/errors/not_al"#;
        for body in [&torn[..], b"", b"  ", b"<html><body>403</body></html>"] {
            assert_eq!(sentence(403, body), "the server answered 403");
        }
        assert_eq!(
            sentence(502, b"bad gateway\n"),
            "the server answered 502: bad gateway"
        );
        assert_eq!(
            sentence(502, "\u{fc}".repeat(900).as_bytes())
                .chars()
                .count(),
            225
        );
    }
}
