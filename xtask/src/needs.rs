//! What the tests need beyond Rust: one table, a pure plan, and the act of installing.
//!
//! A need is there if its probe, a line for `sh`, exits with 0: that covers programs off the PATH
//! and parts of programs as well. Root on a machine with apt gets what is missing installed;
//! anybody else is told what to install, and nothing is run half prepared.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cargo::{holds, program, succeeds};

/// One thing tests need.
#[derive(Debug)]
pub(crate) struct Need {
    /// A line for `sh` that succeeds where the thing is there.
    pub(crate) probe: &'static str,
    /// The package that brings it, by its name in Debian and Ubuntu.
    pub(crate) package: &'static str,
    /// What the tests do with it.
    pub(crate) why: &'static str,
}

/// Everything any suite needs.
pub(crate) const NEEDS: &[Need] = &[
    Need {
        probe: "command -v git",
        package: "git",
        why: "the tidy tests ask it which files are tracked",
    },
    Need {
        probe: "test -x /usr/lib/rabbitmq/bin/rabbitmq-server",
        package: "rabbitmq-server",
        why: "the broker tests start private nodes of it",
    },
    Need {
        probe: "python3 -c 'import ensurepip, venv'",
        package: "python3-venv",
        why: "a test runs the agent in Python, with its client in a folder of its own",
    },
];

/// What `cargo xtask matrix` needs besides.
pub(crate) const MATRIX: &[Need] = &[Need {
    probe: "command -v debootstrap",
    package: "debootstrap",
    why: "the matrix makes roots with other versions of RabbitMQ",
}];

/// What to do about the needs that are not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All is there.
    Ready,
    /// These packages, by apt-get.
    Install(Vec<&'static str>),
    /// We may not install: what to say.
    Tell(String),
}

/// Who we are, as far as installing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    /// Root, with apt-get at hand.
    Apt,
    /// Nobody who could install.
    None,
}

/// Decides; `there` answers for one probe.
pub(crate) fn plan(needs: &[Need], there: impl Fn(&str) -> bool, installer: Installer) -> Plan {
    let missing: Vec<&Need> = needs.iter().filter(|need| !there(need.probe)).collect();
    if missing.is_empty() {
        return Plan::Ready;
    }
    let mut packages: Vec<&'static str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    match installer {
        Installer::Apt => Plan::Install(packages),
        Installer::None => {
            let mut text = String::from("the tests need what is not here:\n");
            for need in missing {
                text += &format!("  {}: {}\n", need.package, need.why);
            }
            text += &format!("install with: sudo apt-get install {}", packages.join(" "));
            Plan::Tell(text)
        }
    }
}

/// Makes the needs true, or says on stderr why not.
pub(crate) fn prepare(needs: &[Need]) -> io::Result<bool> {
    match plan(needs, there, installer()) {
        Plan::Ready => Ok(true),
        Plan::Tell(text) => {
            eprintln!("{text}");
            Ok(false)
        }
        Plan::Install(packages) => {
            println!("== install {}", packages.join(" "));
            install(&packages)?;
            match plan(needs, there, Installer::None) {
                Plan::Tell(text) => {
                    eprintln!("{text}");
                    Ok(false)
                }
                Plan::Ready | Plan::Install(_) => Ok(true),
            }
        }
    }
}

/// Whether it worked is seen by probing again, not by apt's exit code: a failed update of one
/// unrelated source does not matter.
fn install(packages: &[&str]) -> io::Result<()> {
    let _quiet = NoServices::begin(Path::new("/usr/sbin/policy-rc.d"))?;
    succeeds(program("apt-get").args(["update", "-q"]))?;
    succeeds(
        program("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(packages),
    )?;
    Ok(())
}

/// While it lives, packages that are installed start no service: tests run servers of their own, and
/// one more on the usual port would only be in somebody's way. Debian asks this file before each start.
#[derive(Debug)]
struct NoServices {
    /// What we wrote; nothing where the machine has a policy already, which is left as it is.
    written: Option<PathBuf>,
}

impl NoServices {
    fn begin(policy: &Path) -> io::Result<NoServices> {
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(policy);
        match opened {
            Ok(mut file) => {
                let quiet = NoServices {
                    written: Some(policy.to_owned()),
                };
                file.write_all(b"#!/bin/sh\nexit 101\n")?;
                Ok(quiet)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(NoServices { written: None })
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.written
            && let Err(error) = fs::remove_file(policy)
        {
            eprintln!("cannot remove {}: {error}", policy.display());
        }
    }
}

fn there(probe: &str) -> bool {
    holds(program("sh").args(["-c", probe]))
}

fn installer() -> Installer {
    if there("test \"$(id -u)\" = 0 && command -v apt-get") {
        Installer::Apt
    } else {
        Installer::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &[Need] = &[
        Need {
            probe: "command -v snake",
            package: "snake",
            why: "agents in Snake",
        },
        Need {
            probe: "snake -c venv",
            package: "snake-venv",
            why: "clients of their own",
        },
        Need {
            probe: "command -v snaked",
            package: "snake",
            why: "a private server",
        },
    ];

    #[test]
    fn nothing_missing_means_ready() {
        assert_eq!(plan(SOME, |_| true, Installer::Apt), Plan::Ready);
        assert_eq!(plan(SOME, |_| true, Installer::None), Plan::Ready);
        assert_eq!(plan(&[], |_| false, Installer::None), Plan::Ready);
    }

    #[test]
    fn root_installs_what_is_missing_and_nothing_else() {
        let there = |probe: &str| probe == "command -v snake";
        assert_eq!(
            plan(SOME, there, Installer::Apt),
            Plan::Install(vec!["snake", "snake-venv"])
        );
    }

    #[test]
    fn a_package_is_named_once() {
        let there = |probe: &str| probe == "snake -c venv";
        assert_eq!(
            plan(SOME, there, Installer::Apt),
            Plan::Install(vec!["snake"])
        );
    }

    #[test]
    fn others_are_told_what_and_why_and_how() {
        let Plan::Tell(text) = plan(SOME, |probe| probe != "snake -c venv", Installer::None) else {
            panic!("something is missing")
        };
        assert!(text.contains("snake-venv: clients of their own"), "{text}");
        assert!(text.ends_with("install snake-venv"), "{text}");
        assert!(!text.contains("agents in Snake"), "{text}");
    }

    #[test]
    fn services_are_held_back_only_while_packages_are_installed() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        let quiet = NoServices::begin(&policy).unwrap();
        let answer = program(&policy).status().unwrap();
        assert_eq!(answer.code(), Some(101), "what Debian reads as no");
        drop(quiet);
        assert!(!policy.exists());
    }

    #[test]
    fn a_policy_of_the_machine_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        fs::write(&policy, "theirs").unwrap();
        drop(NoServices::begin(&policy).unwrap());
        assert_eq!(fs::read_to_string(&policy).unwrap(), "theirs");
    }

    #[test]
    fn a_probe_is_a_line_for_the_shell() {
        assert!(there("command -v sh"));
        assert!(!there("command -v no-such-program-anywhere"));
    }
}
