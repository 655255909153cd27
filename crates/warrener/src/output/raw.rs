//! JSON as text: fields picked and whitespace changed, but order, numbers and escapes left as they came.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The value at a dotted path, as JSON text. A list's elements have their index as a name.
pub(crate) fn pick(text: &str, path: &str) -> Option<String> {
    let mut at: Box<RawValue> = serde_json::from_str(text).ok()?;
    let mut rest = Some(path);
    while let Some(path) = rest {
        if let Ok(fields) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(at.get()) {
            // A label's key may have dots in it: the longest name that is there wins.
            let longest = |(name, _): &(String, _)| {
                path.strip_prefix(name.as_str())
                    .is_some_and(|after| after.is_empty() || after.starts_with('.'))
            };
            let (name, value) = fields
                .into_iter()
                .filter(longest)
                .max_by_key(|(n, _)| n.len())?;
            rest = path[name.len()..].strip_prefix('.');
            at = value;
        } else {
            let items: Vec<Box<RawValue>> = serde_json::from_str(at.get()).ok()?;
            let (index, after) = path
                .split_once('.')
                .map_or((path, None), |(i, r)| (i, Some(r)));
            at = items.into_iter().nth(index.parse().ok()?)?;
            rest = after;
        }
    }
    Some(at.get().to_owned())
}

/// An object of these fields only, in this order; what is not there is `null`.
pub(super) fn project(text: &str, fields: &[String]) -> String {
    let parts = fields.iter().map(|field| {
        let name = serde_json::to_string(field).unwrap_or_default();
        let value = pick(text, field).unwrap_or_else(|| "null".into());
        format!("{name}:{value}")
    });
    format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
}

/// The same JSON without whitespace between its parts.
pub(super) fn minified(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    walk(text, |c, in_string, _| {
        if in_string || !c.is_ascii_whitespace() {
            out.push(c);
        }
    });
    out
}

/// The same JSON, each member on a line of its own. Takes minified text.
pub(super) fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0usize;
    walk(text, |c, in_string, next| match c {
        _ if in_string => out.push(c),
        '{' | '[' => {
            out.push(c);
            if !matches!(next, Some('}' | ']')) {
                depth += 1;
                line(&mut out, depth);
            }
        }
        '}' | ']' => {
            if !out.ends_with(['{', '[']) {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
            }
            out.push(c);
        }
        ',' => {
            out.push(c);
            line(&mut out, depth);
        }
        ':' => out.push_str(": "),
        _ => out.push(c),
    });
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Gives each character, whether it belongs to a string, and the one after it.
fn walk(text: &str, mut step: impl FnMut(char, bool, Option<char>)) {
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let quote = c == '"' && !escaped;
        step(c, in_string || quote, rest.peek().copied());
        escaped = in_string && c == '\\' && !escaped;
        if quote {
            in_string = !in_string;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"b": {"c.d": [1.50, "x y"]}, "a": "q\" {", "e": {}}"#;

    #[test]
    fn whitespace_goes_and_everything_else_stays() {
        let small = minified(TEXT);
        assert_eq!(small, r#"{"b":{"c.d":[1.50,"x y"]},"a":"q\" {","e":{}}"#);
        let wanted = "{\n  \"b\": {\n    \"c.d\": [\n      1.50,\n      \"x y\"\n    ]\n  },\n  \"a\": \"q\\\" {\",\n  \"e\": {}\n}";
        assert_eq!(indented(&small), wanted);
    }

    #[test]
    fn fields_are_picked_by_path_in_the_order_asked() {
        assert_eq!(pick(TEXT, "b.c.d.1").as_deref(), Some("\"x y\""));
        assert_eq!(pick(TEXT, "b.x"), None);
        let fields = ["a", "b.c.d.0", "z"].map(str::to_owned);
        assert_eq!(
            project(TEXT, &fields),
            r#"{"a":"q\" {","b.c.d.0":1.50,"z":null}"#
        );
    }
}
