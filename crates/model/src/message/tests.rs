//! Bodies on the wire: versions, unknown fields.

use super::*;

#[test]
fn bodies_carry_their_version_and_others_are_rejected() {
    let recorded = Recorded { leases: vec![] };
    let bytes = encode(&recorded);
    assert_eq!(bytes, br#"{"v":1,"leases":[]}"#);
    assert_eq!(decode::<Recorded>(&bytes), Ok(recorded));
    let other = br#"{"v":2,"leases":[]}"#;
    let error = BodyError::Version {
        kind: "recorded",
        found: 2,
    };
    assert_eq!(decode::<Recorded>(other), Err(error));
    for bad in [&b"nonsense"[..], b"{}", b"[]", b"{\"v\":1}"] {
        let result = decode::<Recorded>(bad);
        assert!(
            matches!(result, Err(BodyError::Malformed { .. })),
            "{bad:?}"
        );
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let bytes = br#"{"v":1,"leases":[],"new_in_v1":true}"#;
    assert!(decode::<Recorded>(bytes).is_ok());
}
