//! Decorators that fail on purpose, for tests.
