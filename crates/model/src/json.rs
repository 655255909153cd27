//! JSON that Warrener carries but does not read: kept as the text it came as.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One JSON value as text; cheap to clone, equal when the text is.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Checks and takes a text.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// Writes a value as text.
    ///
    /// # Errors
    /// When the value has no form in JSON (a map with keys that are no strings).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The same on one line, without the white space between its parts; every number and string as it was written.
    pub fn compact(&self) -> Self {
        let mut strings = Strings::default();
        let kept = |c: &char| strings.within(*c) || !c.is_ascii_whitespace();
        let text = self.as_str().chars().filter(kept).collect();
        // White space outside of strings has no meaning, so this is the same value.
        Json::parse(text).unwrap_or_else(|_| self.clone())
    }

    /// The value, for looking at: numbers become 64-bit ones, those that are too large the largest.
    pub fn value(&self) -> Value {
        let read = serde_json::from_str(self.as_str());
        read.unwrap_or_else(|_| match self.depth() {
            0..=limits::JSON_DEPTH => near(&self.0),
            _ => Value::Null,
        })
    }

    /// How deep arrays and objects are nested: 0 for a plain value.
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest, mut strings) = (0usize, 0, Strings::default());
        for c in self.as_str().chars() {
            match c {
                _ if strings.within(c) => {}
                '{' | '[' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }
}

/// Which characters of a JSON text belong to strings.
#[derive(Default)]
struct Strings {
    open: bool,
    escaped: bool,
}

impl Strings {
    /// Whether the next character does; a quote that ends a string still does.
    fn within(&mut self, c: char) -> bool {
        let was = self.open;
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' if was => self.escaped = true,
            '"' => self.open = !was,
            _ => {}
        }
        was
    }
}

/// A value that the reader refuses as a whole, part by part; not nested deeper than the limit.
fn near(raw: &RawValue) -> Value {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
            let fields = fields.unwrap_or_default().into_iter();
            Value::Object(fields.map(|(name, raw)| (name, near(raw))).collect())
        }
        Some(b'[') => {
            let items = serde_json::from_str::<Vec<&RawValue>>(text);
            Value::Array(items.unwrap_or_default().into_iter().map(near).collect())
        }
        Some(first) => serde_json::from_str(text).unwrap_or_else(|_| match first {
            b'-' => f64::MIN.into(),
            b'0'..=b'9' => f64::MAX.into(),
            _ => Value::Null,
        }),
        None => Value::Null,
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(input).map(|raw| Self(raw.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_and_nesting_is_counted() {
        let json = Json::parse(r#"{"a": [1, "]}\"[", {"b": 1.50}]}"#.into()).unwrap();
        assert_eq!(json.depth(), 3);
        assert!(json.as_str().contains("1.50"));
        assert_eq!(Json::null().depth(), 0);
        assert!(Json::parse("{".into()).is_err());
    }

    #[test]
    fn on_one_line_everything_but_white_space_stays() {
        let text = "{ \"a b\\\"\\\\\" :\n\t[1e400 , 123456789012345678901234567890,\r\n 1.50 ], \"c\": \" \u{a0}x \" }";
        let wanted =
            "{\"a b\\\"\\\\\":[1e400,123456789012345678901234567890,1.50],\"c\":\" \u{a0}x \"}";
        let json = Json::parse(text.into()).unwrap();
        assert_eq!(json.compact().as_str(), wanted);
        assert_eq!(Json::parse(" 1 ".into()).unwrap().compact().as_str(), "1");
    }

    #[test]
    fn what_has_no_form_in_64_bits_is_looked_at_as_the_nearest() {
        let json = Json::parse(r#"{"a": [-1e400, 1e400, "1e400", null, 7]}"#.into()).unwrap();
        let wanted = serde_json::json!({"a": [f64::MIN, f64::MAX, "1e400", null, 7]});
        assert_eq!(json.value(), wanted);
        let deep = format!("{}1{}", "[".repeat(90_000), "]".repeat(90_000));
        assert_eq!(Json::parse(deep).unwrap().value(), Value::Null);
    }
}
