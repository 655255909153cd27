//! The stage of these tests: the embedded broker, which needs nothing. The same tests on RabbitMQ are in `e2e_rabbit`.

/// One for each place.
#[derive(Debug)]
pub(crate) struct Stage;

impl Stage {
    pub(crate) fn new() -> Self {
        Stage
    }

    /// What every process of the place has in its environment.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![]
    }
}
