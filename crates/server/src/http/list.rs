//! The list of tasks, and what all lists share: filter, sort, limit, cursor.

use crate::cursor::{ListId, read_task_place, task_place};
use crate::failure::{Answer, Failure};
use crate::reading::Params;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use warrener_api::{Page, Problem, TaskObject};
use warrener_backend::query::{List, SortKey};
use warrener_engine::Error;
use warrener_model::filter::Filter;
use warrener_model::submission::unknown;
use warrener_model::{Timestamp, limits};

/// Rows of a page of tasks, unless said.
const ROWS: usize = 100;
/// What every list takes.
pub(crate) const PARAMS: [&str; 5] = ["filter", "sort", "limit", "cursor", "fields"];
/// What a list can be sorted by.
const SORTS: [(&str, SortKey); 3] = [
    ("created_at", SortKey::Created),
    ("finished_at", SortKey::Finished),
    ("priority", SortKey::Priority),
];
/// What a list leaves out unless it is named.
const BODIES: [&str; 2] = ["input", "output"];
/// The fields that `fields` may name.
const FIELDS: &str = "id kind lane priority title description state final waiting_for waiting_since attempt epoch \
    max_attempts agent input output error dead_reason labels run_id step parent_id created_at not_before ready_at \
    started_at finished_at retry_at deadline timeout_ms progress usage replays version";

/// List tasks
///
/// Newest first unless said. Items come without input and output, unless `fields` names them.
#[utoipa::path(
    get, path = "/api/v1/tasks", operation_id = "list_tasks", tag = "tasks",
    params(
        ("filter" = Option<String>, Query, description = "such as `state:failed,dead label.batch:42 age:>1h`"),
        ("sort" = Option<String>, Query, description = "created_at, finished_at or priority; - in front turns it round; -created_at unless said"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("fields" = Option<String>, Query, description = "names of fields; brings those that lists leave out"),
    ),
    responses((status = 200, description = "A page", body = Page<TaskObject>))
)]
pub(crate) async fn tasks(
    State(app): State<App>,
    params: Params,
) -> Answer<Json<Page<TaskObject>>> {
    params.only(&PARAMS)?;
    let sort = params.text("sort").unwrap_or("-created_at");
    let words = params.text("filter").unwrap_or_default().trim();
    let id = ListId::of(&["tasks", words, sort]);
    let after = match params.text("cursor") {
        Some(cursor) => Some(read_task_place(&id.open(cursor)?)?),
        None => None,
    };
    let (sort, descending) = sorted(sort)?;
    let bodies = bodies(params.text("fields").unwrap_or_default())?;
    let list = List {
        filter: filter(words)?,
        now: Timestamp::default(),
        sort,
        descending,
        limit: limit(&params, ROWS)?,
        after,
        bodies: !bodies.is_empty(),
    };
    let page = app.orchestrator.list(list).await?;
    let items = page.items.iter().map(|view| {
        let mut task = TaskObject::of(&view.task, view.waiting_for, !bodies.is_empty());
        task.input = task.input.filter(|_| bodies.contains(&"input"));
        task.output = task.output.filter(|_| bodies.contains(&"output"));
        task
    });
    Ok(Json(Page {
        items: items.collect(),
        next: page.next.map(|place| id.seal(&task_place(place))),
    }))
}

/// Reads a filter.
pub(crate) fn filter(text: &str) -> Answer<Filter> {
    Ok(Filter::parse(text).map_err(Error::Filter)?)
}

/// Reads `limit`.
pub(crate) fn limit(params: &Params, unless_said: usize) -> Answer<usize> {
    Ok(params
        .number("limit", 1..=limits::PAGE_ROWS)?
        .unwrap_or(unless_said))
}

/// A page of a list that is short and sorted by name, whole in memory. `fields` may be asked for in its filter.
pub(crate) fn by_name<T: Serialize>(
    list: &str,
    fields: &[&str],
    params: &Params,
    items: Vec<T>,
    name: impl Fn(&T) -> &str,
) -> Answer<Page<T>> {
    params.only(&["filter", "limit", "cursor"])?;
    let words = params.text("filter").unwrap_or_default().trim();
    let terms = terms(words, fields)?;
    let id = ListId::of(&[list, words]);
    let after = match params.text("cursor") {
        Some(cursor) => Some(id.open(cursor)?),
        None => None,
    };
    let limit = limit(params, limits::PAGE_ROWS)?;
    let rest = |item: &T| {
        after
            .as_ref()
            .is_none_or(|after| name(item).as_bytes() > after.as_slice())
    };
    let meant = |item: &T| {
        let shown = serde_json::to_value(item).unwrap_or_default();
        terms.iter().all(|term| term.takes(&shown))
    };
    let items = items.into_iter().filter(rest);
    let mut items: Vec<T> = items
        .filter(|item| terms.is_empty() || meant(item))
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    Ok(Page {
        next: last.map(|last| id.seal(name(last).as_bytes())),
        items,
    })
}

/// One term of the filter of such a list: a field of the object is, or has, one of these; or none of them.
struct NamedTerm<'a> {
    not: bool,
    field: &'a str,
    values: Vec<&'a str>,
}

impl NamedTerm<'_> {
    fn takes(&self, shown: &Value) -> bool {
        let is = |value: &Value| match value {
            Value::String(text) => self.values.contains(&text.as_str()),
            Value::Null => false,
            other => self.values.contains(&other.to_string().as_str()),
        };
        let found = match &shown[self.field] {
            Value::Array(all) => all.iter().any(is),
            Value::Object(all) => all.keys().any(|key| self.values.contains(&key.as_str())),
            one => is(one),
        };
        found != self.not
    }
}

fn terms<'a>(text: &'a str, fields: &[&str]) -> Answer<Vec<NamedTerm<'a>>> {
    let no = |detail: String| {
        let hint = format!(
            "terms are FIELD:VALUE[,VALUE…]; fields are {}",
            fields.join(", ")
        );
        Err(Problem::new("filter_invalid", detail).hint(hint).into())
    };
    let mut terms = vec![];
    for word in text.split_whitespace() {
        let (not, bare) = match word.strip_prefix('-') {
            Some(bare) => (true, bare),
            None => (false, word),
        };
        match bare.split_once(':') {
            Some((field, values)) if fields.contains(&field) && !values.is_empty() => {
                let values = values.split(',').collect();
                terms.push(NamedTerm { not, field, values });
            }
            Some((field, _)) if !fields.contains(&field) => {
                return no(unknown(field, fields));
            }
            _ => return no(format!("\"{word:.60}\" is no term")),
        }
    }
    Ok(terms)
}

fn sorted(text: &str) -> Answer<(SortKey, bool)> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let found = SORTS.iter().find(|(sort, _)| *sort == name);
    let key = found.map(|(_, key)| (*key, descending));
    key.ok_or_else(|| {
        let message = unknown(name, &SORTS.map(|(sort, _)| sort));
        Failure::parameter("sort", message.replacen("field", "key", 1))
    })
}

/// Which of the bodies are wanted.
fn bodies(fields: &str) -> Answer<Vec<&'static str>> {
    let known: Vec<&str> = FIELDS.split(' ').collect();
    let named: Vec<&str> = fields
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if let Some(name) = named.iter().find(|name| !known.contains(name)) {
        return Err(Failure::parameter("fields", unknown(name, &known)));
    }
    Ok(BODIES
        .into_iter()
        .filter(|body| named.contains(body))
        .collect())
}
