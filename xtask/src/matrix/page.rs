//! The page of results: a pure text.

use super::Column;

const HEAD: &str = "# RabbitMQ versions that are tested

Written by `cargo xtask matrix`, which runs the suites below on the RabbitMQ of this machine (Debian's or Ubuntu's package)
and on those of newer Debian releases, each in a root folder of its own that `cargo xtask matrix --prepare` makes. It
takes root, `debootstrap` and about 1 GB below `target/`. One version by hand:
`WARRENER_TEST_RABBITMQ_ROOT=$PWD/target/rabbitmq-roots/sid cargo test -p warrener-testkit --test nodes`.

";

pub(super) fn text(rows: &[&str], columns: &[Column]) -> String {
    HEAD.to_owned() + &table(rows, columns)
}

/// Suites down, versions across.
pub(super) fn table(rows: &[&str], columns: &[Column]) -> String {
    let row = |first: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        format!("| {first} | {} |\n", cells.join(" | "))
    };
    let mut text = row("RabbitMQ", &|column| column.rabbitmq.clone());
    text += &row("---", &|_| "---".to_owned()).replace(' ', "");
    text += &row("Erlang/OTP", &|column| column.erlang.clone());
    text += &row("from", &|column| column.from.clone());
    for (index, name) in rows.iter().enumerate() {
        text += &row(name, &|column| match column.results.get(index) {
            Some(tally) => tally.to_string(),
            None => "not run".to_owned(),
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn the_table_has_suites_down_and_versions_across() {
        let column = |rabbitmq: &str, passed, failed| Column {
            from: "sid".to_owned(),
            rabbitmq: rabbitmq.to_owned(),
            erlang: "29".to_owned(),
            results: vec![Tally {
                passed,
                failed,
                skipped: 0,
            }],
        };
        let columns = [column("3.10.8", 11, 0), column("4.3.6", 10, 1)];
        assert_eq!(
            table(&["test nodes"], &columns),
            "| RabbitMQ | 3.10.8 | 4.3.6 |\n|---|---|---|\n| Erlang/OTP | 29 | 29 |\n| from | sid | sid |\n\
             | test nodes | 11 passed, 0 failed, 0 skipped | 10 passed, 1 failed, 0 skipped |\n"
        );
    }
}
