//! Runs a program as a handler (contracts.md section 4).
