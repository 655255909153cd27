//! Templates that come with the program: how a feature, a fault and a refactoring become parts. They are files like those
//! of users, to be used as they are or copied.

/// Each with its name.
pub const TEMPLATES: [(&str, &str); 3] = [
    ("feature", include_str!("../templates/feature.yaml")),
    ("bug-fix", include_str!("../templates/bug-fix.yaml")),
    ("refactor", include_str!("../templates/refactor.yaml")),
];

/// The file of this name.
pub fn template(name: &str) -> Option<&'static str> {
    let found = TEMPLATES.iter().find(|(known, _)| *known == name);
    found.map(|(_, file)| *file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_sound_has_its_name_and_asks_for_no_more_than_a_title() {
        for (name, file) in TEMPLATES {
            let workflow =
                crate::read(file).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:?}"));
            assert_eq!(workflow.name.as_str(), name);
            let required = workflow.inputs.iter().filter(|(_, input)| input.required);
            let required: Vec<&str> = required.map(|(name, _)| name.as_str()).collect();
            assert_eq!(required, ["title"], "{name}");
            assert!(workflow.steps.len() >= 3, "{name}");
        }
    }
}
