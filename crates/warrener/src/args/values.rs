//! Values on the command line: spans, labels, rates, filters, and files that may be stdin.

use std::path::PathBuf;
use std::time::Duration;
use warrener_model::filter::Filter;
use warrener_model::time::parse_span;
use warrener_model::{Json, Timestamp};

/// A duration such as 5s.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    parse_span(text).map_err(|e| e.to_string())
}

/// A point in time, or how long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// From now.
    In(Duration),
    /// Then.
    At(Timestamp),
}

/// A duration such as 2h, or a time such as 2026-11-22T08:00:00Z.
pub(crate) fn when(text: &str) -> Result<When, String> {
    let point = text.parse().map(When::At);
    parse_span(text).map(When::In).or(point).map_err(|_| {
        format!("\"{text}\" is neither a duration (such as 2h) nor a time (such as 2026-11-22T08:00:00Z)")
    })
}

/// `k=v`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err(format!("\"{text}\" is not a label (such as batch=42)")),
    }
}

/// `name=0.9`.
pub(crate) fn capability(text: &str) -> Result<(String, f64), String> {
    let error = || format!("\"{text}\" is not a capability (such as api=0.9, from 0 to 1)");
    let (name, level) = text.split_once('=').ok_or_else(error)?;
    let level: f64 = level.parse().map_err(|_| error())?;
    warrener_model::name::Capability::new(name).map_err(|e| e.to_string())?;
    if (0.0..=1.0).contains(&level) {
        Ok((name.into(), level))
    } else {
        Err(error())
    }
}

/// `20/s`, `5/m`, `100/h`: as a number a second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let error = || format!("\"{text}\" is not a rate (such as 20/s, 5/m or 100/h)");
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let number: f64 = number.parse().map_err(|_| error())?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(error()),
    };
    if number.is_finite() && number > 0.0 {
        Ok(number / seconds)
    } else {
        Err(error())
    }
}

/// A filter: checked here, sent as it was typed.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    Filter::parse(text)
        .map(|_| text.into())
        .map_err(|e| e.to_string())
}

/// `JSON`, `@FILE` or `-`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// As typed.
    Json(Json),
    /// A file's content.
    File(PathBuf),
    /// All of stdin.
    Stdin,
}

/// JSON, @FILE, or - for stdin.
pub(crate) fn input(text: &str) -> Result<Input, String> {
    if text == "-" {
        return Ok(Input::Stdin);
    }
    if let Some(file) = text.strip_prefix('@') {
        return Ok(Input::File(file.into()));
    }
    let hint = "put a text into quotes within the quotes ('\"text\"'), or name a file (@FILE)";
    Json::parse(text.trim().into())
        .map(Input::Json)
        .map_err(|e| format!("not JSON: {e}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_second() {
        assert_eq!(rate("20/s"), Ok(20.0));
        assert_eq!(rate("30/m"), Ok(0.5));
        assert_eq!(rate("7"), Ok(7.0));
        for bad in ["", "0/s", "-1/s", "20/d", "inf/s", "x/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_a_span_or_a_time() {
        assert_eq!(when("2h"), Ok(When::In(Duration::from_secs(7_200))));
        let at = when("1970-01-01T00:00:01Z");
        assert_eq!(at, Ok(When::At(Timestamp::from_millis(1_000))));
        assert!(when("tomorrow").unwrap_err().contains("neither"));
    }

    #[test]
    fn an_input_is_json_a_file_or_stdin() {
        assert_eq!(input("-"), Ok(Input::Stdin));
        assert_eq!(input("@a.json"), Ok(Input::File("a.json".into())));
        assert!(matches!(input("{\"a\":1}"), Ok(Input::Json(_))));
        assert!(input("hello").unwrap_err().contains("@FILE"));
    }

    #[test]
    fn labels_and_capabilities_have_a_name_and_a_value() {
        assert_eq!(label("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(label("=b").is_err() && label("a").is_err());
        assert_eq!(capability("api=0.9"), Ok(("api".into(), 0.9)));
        assert!(capability("api=2").is_err() && capability("API=1").is_err());
    }
}
