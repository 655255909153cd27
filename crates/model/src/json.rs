//! JSON that Warrener carries but does not read: kept as the text it came as.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
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

    /// The value, read.
    pub fn value(&self) -> serde_json::Value {
        // The text was checked when it was taken; only its nesting can be more than the reader allows.
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }

    /// How deep arrays and objects are nested: 0 for a plain value.
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
        for byte in self.as_str().bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
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
}
