//! Which topics a watcher sees: words between dots, `*` is one word, `#` is any number of words.

/// Whether `key` is one of those that `pattern` names.
pub(super) fn matches(pattern: &str, key: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let key: Vec<&str> = key.split('.').collect();
    // The place to come back to: the last `#`, and the words that it has taken so far. Going back
    // to the last one only is enough, which keeps this quadratic at worst and not exponential.
    let (mut p, mut k, mut back) = (0, 0, None);
    while k < key.len() {
        match pattern.get(p) {
            Some(&"#") => {
                back = Some((p, k));
                p += 1;
            }
            Some(&word) if word == "*" || word == key[k] => {
                p += 1;
                k += 1;
            }
            _ => match back {
                Some((hash, taken)) => {
                    back = Some((hash, taken + 1));
                    p = hash + 1;
                    k = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|word| *word == "#")
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_word_and_a_hash_is_any_number() {
        for (pattern, key, expected) in [
            ("task.done", "task.done", true),
            ("task.done", "task.dead", false),
            ("task.*", "task.done", true),
            ("task.*", "task", false),
            ("task.*", "task.done.late", false),
            ("*.done", "task.done", true),
            ("#", "task.done.late", true),
            ("#", "", true),
            ("task.#", "task", true),
            ("task.#", "task.done.late", true),
            ("task.#", "agent.joined", false),
            ("#.late", "task.done.late", true),
            ("#.late", "late", true),
            ("#.late", "late.not", false),
            ("#.a.#.b", "a.a.x.b.b", true),
            ("#.a.#.b", "x.b.a", false),
            ("a.#.*", "a", false),
            ("a.#.*", "a.b", true),
            ("#.#", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} on {key}");
        }
    }
}
