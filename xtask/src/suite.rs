//! The suites `cargo xtask test` knows: one per package of the workspace, lower layers first, so
//! that the first failure shown is the nearest to its cause.

/// The tests of one package.
#[derive(Debug)]
pub(crate) struct Suite {
    /// One word: what people type, and what the closing line starts with.
    pub(crate) name: &'static str,
    /// The package cargo knows.
    pub(crate) package: &'static str,
}

/// Every package of the workspace; a test compares this with cargo's own list.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "model",
        package: "warrener-model",
    },
    Suite {
        name: "backend",
        package: "warrener-backend",
    },
    Suite {
        name: "sqlite",
        package: "warrener-sqlite",
    },
    Suite {
        name: "workflow",
        package: "warrener-workflow",
    },
    Suite {
        name: "engine",
        package: "warrener-engine",
    },
    Suite {
        name: "link",
        package: "warrener-link",
    },
    Suite {
        name: "rabbitmq",
        package: "warrener-rabbitmq",
    },
    Suite {
        name: "api",
        package: "warrener-api",
    },
    Suite {
        name: "server",
        package: "warrener-server",
    },
    Suite {
        name: "warrener",
        package: "warrener",
    },
    Suite {
        name: "testkit",
        package: "warrener-testkit",
    },
    Suite {
        name: "xtask",
        package: "xtask",
    },
];

/// Suites for which "no test ran" is a failure: it would mean that tests were lost, not that
/// there are none yet. A suite joins when its first tests do.
pub(crate) const MUST_HAVE: &[&str] = &[
    "model", "backend", "sqlite", "engine", "link", "rabbitmq", "server", "warrener", "testkit",
    "xtask",
];

/// The suites named, in the table's order; all of them if none is named.
pub(crate) fn chosen(names: &[String]) -> impl Iterator<Item = &'static Suite> {
    SUITES
        .iter()
        .filter(move |suite| names.is_empty() || names.iter().any(|n| n == suite.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(chosen: impl Iterator<Item = &'static Suite>) -> Vec<&'static str> {
        chosen.map(|suite| suite.name).collect()
    }

    #[test]
    fn the_table_is_the_workspace() {
        let output = crate::cargo::cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let members: BTreeSet<&str> = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["name"].as_str().unwrap())
            .collect();
        let table: BTreeSet<&str> = SUITES.iter().map(|suite| suite.package).collect();
        assert_eq!(table, members);
        assert_eq!(
            table.len(),
            SUITES.len(),
            "a package stands in the table twice"
        );
    }

    #[test]
    fn every_must_have_is_a_suite() {
        for name in MUST_HAVE {
            assert!(SUITES.iter().any(|suite| suite.name == *name), "{name}");
        }
    }

    #[test]
    fn naming_none_means_all() {
        assert_eq!(chosen(&[]).count(), SUITES.len());
    }

    #[test]
    fn those_named_run_in_the_tables_order() {
        assert_eq!(
            names(chosen(&["api".into(), "model".into()])),
            ["model", "api"]
        );
    }
}
