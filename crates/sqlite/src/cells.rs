//! The cells of a row, read one after the other; what cannot be read says which cell it is.

use rusqlite::Row;
use rusqlite::types::{FromSql, Type};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::str::FromStr;
use warrener_model::id::{ClaimId, InstanceId};
use warrener_model::json::Json;
use warrener_model::life::{Lease, Life};
use warrener_model::{AgentId, Timestamp};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The cells of a row, one after the other.
pub(crate) struct Cells<'a> {
    row: &'a Row<'a>,
    at: usize,
}

impl<'a> Cells<'a> {
    /// From the first one.
    pub(crate) fn new(row: &'a Row<'a>) -> Self {
        Cells { row, at: 0 }
    }

    /// The next one, as it is.
    pub(crate) fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    /// The next one, a point in time.
    pub(crate) fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.next().map(Timestamp::from_millis)
    }

    /// The next one, a point in time or nothing.
    pub(crate) fn maybe_time(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.next::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    /// The next one, a name or a word of a list.
    pub(crate) fn word<T>(&mut self) -> rusqlite::Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.maybe_word()?
            .ok_or_else(|| self.wrong(Box::from("a word is missing")))
    }

    /// The next one, a word or nothing.
    pub(crate) fn maybe_word<T>(&mut self) -> rusqlite::Result<Option<T>>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.maybe(|text| text.parse().map_err(Box::from))
    }

    /// The next one, JSON that is read, or nothing.
    pub(crate) fn maybe_json<T: DeserializeOwned>(&mut self) -> rusqlite::Result<Option<T>> {
        self.maybe(|text| serde_json::from_str(text).map_err(Box::from))
    }

    /// The next one, JSON that is read.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        self.maybe_json()?
            .ok_or_else(|| self.wrong(Box::from("a value is missing")))
    }

    /// The next one, a boot of an agent.
    pub(crate) fn instance(&mut self) -> rusqlite::Result<InstanceId> {
        self.maybe_instance()?
            .ok_or_else(|| self.wrong(Box::from("an instance is missing")))
    }

    fn maybe_instance(&mut self) -> rusqlite::Result<Option<InstanceId>> {
        self.maybe(|text| InstanceId::try_from(text.to_owned()).map_err(Box::from))
    }

    /// The next one, JSON that is kept as text, or nothing.
    pub(crate) fn raw(&mut self) -> rusqlite::Result<Option<Json>> {
        self.maybe(|text| Json::parse(text.into()).map_err(Box::from))
    }

    fn maybe<T>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, Cause>,
    ) -> rusqlite::Result<Option<T>> {
        self.at += 1;
        match self.row.get_ref(self.at - 1)?.as_str_or_null() {
            Ok(None) => Ok(None),
            Ok(Some(text)) => read(text).map(Some).map_err(|e| self.wrong(e)),
            Err(error) => Err(self.wrong(Box::from(error))),
        }
    }

    fn wrong(&self, error: Cause) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.at - 1, Type::Text, error)
    }

    /// The next ones, a life in the order of the columns in `row.rs`.
    pub(crate) fn life(&mut self) -> rusqlite::Result<Life> {
        Ok(Life {
            state: self.word()?,
            since: self.time()?,
            attempt: self.next()?,
            epoch: self.next::<i64>()?.cast_unsigned(),
            max_attempts: self.next()?,
            allowance: self.next()?,
            offer: self.next::<i64>()?.cast_unsigned(),
            offered_at: self.maybe_time()?,
            start: self.word()?,
            losses: self.next()?,
            refusals: self.next()?,
            replays: self.next()?,
            retries: self.maybe_json::<BTreeMap<_, _>>()?.unwrap_or_default(),
            lease: self.lease()?,
            lease_seq: self.next::<i64>()?.cast_unsigned(),
            parked: self.maybe_word()?,
            dead_reason: self.maybe_word()?,
            not_before: self.maybe_time()?,
            retry_at: self.maybe_time()?,
            deadline: self.maybe_time()?,
            ready_at: self.maybe_time()?,
            started_at: self.maybe_time()?,
            finished_at: self.maybe_time()?,
            prefer: self.maybe_word()?,
            avoid: self.maybe_word()?,
            last: self.maybe_word()?,
        })
    }

    fn lease(&mut self) -> rusqlite::Result<Option<Lease>> {
        let claim = self.next::<Option<[u8; 16]>>()?;
        let agent: Option<AgentId> = self.maybe_word()?;
        let instance = self.maybe_instance()?;
        let offer: Option<i64> = self.next()?;
        let confirmed = self.next()?;
        let held = claim.zip(agent).zip(instance);
        Ok(held.map(|((claim, agent), instance)| Lease {
            claim: ClaimId::from_bytes(claim),
            agent,
            instance,
            offer: offer.map(i64::cast_unsigned),
            confirmed,
        }))
    }
}
