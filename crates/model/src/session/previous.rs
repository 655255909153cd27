//! What was said in earlier rounds, as those who are asked next are shown it.

use super::Session;
use crate::decision::Answer;

/// Of it at most so much, roughly: an invitation has to go into a message, with everything else.
const BYTES: usize = 256 * 1024;
/// What an answer without texts counts for.
const ANSWER: usize = 64;
/// Shorter than this nothing is cut: then fewer rounds are shown.
const TEXT: usize = 64;

impl Session {
    /// What was said in the rounds before, without names, in an order that says nothing of who or when. Where that is too
    /// long, long texts are all cut at one length; where they would get too short, the earliest rounds are left out.
    pub fn previous(&self) -> Vec<Answer> {
        let now = self.rounds.last().map_or(0, |round| round.round);
        let after = |first: u32| {
            let earlier = self.contributions.iter();
            earlier.filter(move |one| (first..now).contains(&one.round))
        };
        let first = (1..now).find(|first| after(*first).count() * (ANSWER + 2 * TEXT) <= BYTES);
        let told = after(first.unwrap_or(now.saturating_sub(1)));
        let mut said: Vec<Answer> = told.map(|one| one.answer.clone()).collect();
        shorten(&mut said);
        let key = |answer: &Answer| (answer.suggestion.clone(), answer.rationale.clone());
        said.sort_by_key(key);
        said
    }
}

/// Cuts the longest texts at one length, so that all go into what there is.
fn shorten(said: &mut [Answer]) {
    let texts = |answer: &Answer| [answer.suggestion.clone(), answer.rationale.clone()];
    let lengths = said.iter().flat_map(texts).flatten().map(|text| text.len());
    let most = share(lengths.collect(), BYTES.saturating_sub(said.len() * ANSWER));
    for answer in said {
        for text in [&mut answer.suggestion, &mut answer.rationale] {
            if let Some(text) = text.as_mut().filter(|text| text.len() > most) {
                text.truncate(text.floor_char_boundary(most.saturating_sub('…'.len_utf8())));
                text.push('…');
            }
        }
    }
}

/// The length that lets all of these go into so much, when what is longer is cut there.
fn share(mut lengths: Vec<usize>, mut room: usize) -> usize {
    lengths.sort_unstable();
    let count = lengths.len();
    for (i, length) in lengths.into_iter().enumerate() {
        let share = room / (count - i);
        if length > share {
            return share;
        }
        room -= length;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(suggestion: &str, rationale: &str) -> Answer {
        Answer {
            suggestion: Some(suggestion.into()),
            rationale: Some(rationale.into()),
            ..Answer::default()
        }
    }

    #[test]
    fn only_long_texts_are_cut_and_each_is_shown() {
        let mut all = vec![said("short", &"ü".repeat(2_000)); 200];
        all.push(said("zebra", "last in the alphabet"));
        shorten(&mut all);
        assert_eq!(all[200], said("zebra", "last in the alphabet"));
        let cut = all[0].rationale.as_deref().unwrap_or_default();
        assert!(cut.ends_with("ü…") && cut.len() > 1_000, "{}", cut.len());
    }

    proptest! {
        #[test]
        fn what_is_cut_there_fits(
            lengths in prop::collection::vec(0..5_000usize, 0..100), room in 0..100_000usize,
        ) {
            let most = share(lengths.clone(), room);
            let cut: usize = lengths.iter().map(|length| (*length).min(most)).sum();
            prop_assert!(cut <= room);
            // Nothing is given away: a byte more for each, and it would not fit.
            let more: usize = lengths.iter().map(|length| (*length).min(most.saturating_add(1))).sum();
            prop_assert!(most == usize::MAX || more > room);
        }
    }
}
