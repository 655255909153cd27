//! Cutting text to a bound without breaking a character.

/// Whether a byte is inside a UTF-8 character, not its start.
pub(super) fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The text, or as much of its start as fits.
pub(super) fn clip(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// How many of the bytes come before a last character that is not whole; all of them if it is, or is not UTF-8.
pub(super) fn whole(bytes: &[u8]) -> usize {
    for (back, byte) in bytes.iter().rev().take(3).enumerate() {
        if continues(*byte) {
            continue;
        }
        let size = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if back + 1 < size {
            bytes.len() - back - 1
        } else {
            bytes.len()
        };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_left_to_the_next_piece() {
        assert_eq!(clip("aä", 2), "a");
        assert_eq!(clip("aä", 3), "aä");
        for (text, cut) in [("aä", 1), ("a€", 1), ("a😀", 1)] {
            for end in cut + 1..text.len() {
                assert_eq!(whole(&text.as_bytes()[..end]), cut, "{text} {end}");
            }
            assert_eq!(whole(text.as_bytes()), text.len());
        }
        assert_eq!(whole(&[0x80, 0x80, 0x80, 0x80]), 4);
        assert_eq!(whole(&[b'a', 0xff]), 2);
    }
}
