//! Lists: filters that agree with the model, pages that agree with the whole.

use super::Harness;
use super::sample::{at, ended, error, id, kind, lane, submit, task_at, who};
use fastrand::Rng;
use warrener_backend::Store;
use warrener_backend::query::{List, SortKey};
use warrener_model::filter::Filter;
use warrener_model::json::Json;
use warrener_model::life::{Lease, Life, State};
use warrener_model::{ClaimId, Class, Priority, Task, Timestamp};

/// When lists are asked for.
const NOW: i64 = 7_200_000;
const SORTS: [SortKey; 3] = [SortKey::Created, SortKey::Finished, SortKey::Priority];

/// Tasks of every sort; the same for the same seed but for their ids.
fn crowd(seed: u64, size: usize) -> Vec<Task> {
    let mut rng = Rng::with_seed(seed);
    let parents = [id(), id()];
    (0..size).map(|_| somebody(&mut rng, &parents)).collect()
}

fn somebody(rng: &mut Rng, parents: &[warrener_model::TaskId]) -> Task {
    // Few different times, so that ids break many ties.
    let created = rng.i64(0..12) * 600_000;
    let mut task = task_at(created);
    let state = rng.choice(State::ALL).expect("states");
    if state.is_final() {
        task.life = ended(state, created + rng.i64(0..3) * 60_000);
    } else {
        task.life = Life::new(at(created), 25, None, None);
        task.life.state = state;
    }
    let agents = ["one", "two", "backend-1"].map(who);
    if state == State::Running {
        let holder = rng.choice(&agents).expect("agents").clone();
        task.life.lease = Some(Lease {
            claim: ClaimId::new(at(0), [rng.u8(..); 10]),
            agent: holder.agent,
            instance: holder.instance,
            offer: None,
            confirmed: true,
        });
    }
    if rng.bool() {
        task.life.last = rng.choice(&agents).map(|who| who.agent.clone());
    }
    let spec = &mut task.spec;
    spec.lane = lane(rng.choice(["a", "b", "backend"]).expect("lanes"));
    spec.kind = kind(rng.choice(["work", "code.review", "fetch"]).expect("kinds"));
    spec.priority = rng.choice(Priority::ALL).expect("priorities");
    let titles = [
        "Plain",
        "100% sure_thing",
        "GRÜSSE AN ALLE",
        "it's \"x\"",
        "",
    ];
    spec.title = rng.choice(titles).expect("titles").into();
    spec.description = rng
        .choice(["", "Find the Needle", "%"])
        .expect("briefs")
        .into();
    for label in ["batch", "env"] {
        if rng.bool() {
            let value = rng.choice(["42", "prod", "Prod Two", "_"]).expect("values");
            spec.labels.insert(label.into(), value.into());
        }
    }
    spec.run = rng
        .choice([None, Some("run-1"), Some("run-2")])
        .expect("runs")
        .map(Into::into);
    spec.parent = rng.bool().then(|| *rng.choice(parents).expect("parents"));
    if rng.bool() {
        let class = rng.choice(Class::ALL).expect("classes");
        let message = rng
            .choice(["No Answer", "not found: É", ""])
            .expect("messages");
        task.error = Some(error(class, message, &format!("{:016x}", rng.u8(0..3))));
        task.output = Some(Json::null());
    }
    task
}

/// Filters of every key, operator and kind of value.
fn filters(tasks: &[Task]) -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "state:ready",
        "state:ready,dead",
        "state:final",
        "state:open,failed",
        "-state:final",
        "lane:a",
        "lane:a,backend",
        "lane:~BACK",
        "-lane:b",
        "kind:code.review",
        "kind:~E",
        "agent:one",
        "agent:~BACK",
        "-agent:one,two",
        "priority:high",
        "priority:low,critical",
        "priority:>normal",
        "priority:<normal",
        "priority:~i",
        "-priority:>low",
        "label.batch:42",
        "label.batch:42,prod",
        "label.env:~PROD",
        "-label.env:prod",
        "label.nobody:1",
        "-label.nobody:1",
        "label.batch:_",
        "label.batch:~%",
        "class:network",
        "class:network,crash",
        "class:~t",
        "-class:network",
        "fingerprint:0000000000000001",
        "-fingerprint:~2",
        "run:run-1",
        "run:~RUN",
        "-run:run-1",
        "parent:x",
        "-parent:x",
        "age:>1h",
        "age:<30m",
        "-age:>1h",
        "created:>1h",
        "created:<2023-11-14T22:43:20Z",
        "finished:>1h",
        "-finished:>1h",
        "finished:<2023-11-14T23:00:00Z",
        "text:needle",
        "text:~grüsse",
        "text:100%",
        "text:_",
        "text:é,it's",
        "-text:answer",
        "state:dead class:network lane:a",
        "id:x",
        "id:~-7",
        "-id:~abc",
        "state:final -lane:a label.batch:42 age:>10m text:~a",
    ]
    .map(Into::into)
    .into();
    let (first, last) = (&tasks[0], &tasks[tasks.len() - 1]);
    all.push(format!("id:{},{}", first.id, last.id));
    all.push(format!("id:{}", first.id.to_string().to_uppercase()));
    all.push(format!("id:~{}", &last.id.to_string()[20..]));
    all.extend(
        tasks
            .iter()
            .find_map(|t| t.spec.parent)
            .map(|p| format!("parent:{p}")),
    );
    all
}

fn list(filter: &Filter, sort: SortKey, descending: bool) -> List {
    List {
        filter: filter.clone(),
        now: at(NOW),
        sort,
        descending,
        limit: 10_000,
        after: None,
        bodies: true,
    }
}

/// Over a random crowd: what is listed is what matches, no more and no less, and as many are counted.
pub async fn every_filter_means_what_the_model_says<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = crowd(1, 400);
    submit(&*store, &tasks).await;
    for text in filters(&tasks) {
        let filter = Filter::parse(&text).expect(&text);
        let mut expected: Vec<_> = tasks
            .iter()
            .filter(|task| filter.matches(task, at(NOW)))
            .cloned()
            .collect();
        expected.sort_by_key(|t| (t.spec.created_at, t.id));
        let found = store.list(list(&filter, SortKey::Created, false)).await;
        let found = found.unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(found.len(), expected.len(), "{text}");
        assert!(found == expected, "{text}");
        let count = store.count_where(filter, at(NOW), 10_000).await;
        assert_eq!(count.expect(&text), expected.len() as u64, "{text}");
    }
}

async fn paged(store: &dyn Store, whole: &List, size: usize) -> Vec<Task> {
    let mut page = whole.clone();
    page.limit = size;
    let mut all = vec![];
    loop {
        let found = store.list(page.clone()).await.expect("a page");
        let Some(last) = found.last() else {
            return all;
        };
        assert!(found.len() <= size);
        page.after = Some(page.place(last));
        all.extend(found);
        assert!(all.len() <= 1_000, "the pages do not end");
    }
}

/// Whatever the order, the size of a page and the filter.
pub async fn pages_are_a_cut_of_the_whole_in_every_order<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks = crowd(2, 150);
    submit(&*store, &tasks).await;
    for text in [
        "",
        "lane:a",
        "state:dead",
        "state:ready,running",
        "-state:ready",
        "text:~e",
    ] {
        let filter = Filter::parse(text).expect(text);
        for sort in SORTS {
            for descending in [false, true] {
                let whole = list(&filter, sort, descending);
                let mut expected: Vec<_> = tasks
                    .iter()
                    .filter(|task| filter.matches(task, at(NOW)))
                    .cloned()
                    .collect();
                expected.sort_by_key(|task| whole.place(task));
                if descending {
                    expected.reverse();
                }
                let name = format!("\"{text}\" by {sort:?}, descending: {descending}");
                let found = store.list(whole.clone()).await.expect("a list");
                assert!(found == expected, "{name}");
                for size in [1, 7, 149, 150] {
                    let found = paged(&*store, &whole, size).await;
                    assert!(found == expected, "{name}, {size} a page");
                }
            }
        }
    }
}

/// Whoever turns the pages sees each task that was there all the while once, whatever is accepted and ends meanwhile.
pub async fn pages_neither_skip_nor_repeat_while_tasks_come_and_go<H: Harness>(h: H) {
    let store = h.open().await;
    for (sort, descending) in [
        (SortKey::Created, false),
        (SortKey::Created, true),
        (SortKey::Priority, false),
        (SortKey::Priority, true),
    ] {
        // Times and priorities of newcomers fall before, between and after those that are there.
        let stay = crowd(3, 200);
        submit(&*store, &stay).await;
        let writer = {
            let store = store.clone();
            tokio::spawn(async move {
                for seed in 0..40 {
                    submit(&*store, &crowd(100 + seed, 5)).await;
                }
            })
        };
        let mut page = list(&Filter::default(), sort, descending);
        page.limit = 7;
        let (mut seen, mut last) = (vec![], None);
        loop {
            let found = store.list(page.clone()).await.expect("a page");
            for task in &found {
                let place = page.place(task);
                let follows = last.is_none_or(|last| (last < place) != descending && last != place);
                assert!(follows, "{sort:?}, descending: {descending}");
                last = Some(place);
                seen.push(task.id);
            }
            let Some(task) = found.last() else { break };
            page.after = Some(page.place(task));
        }
        writer.await.expect("a writer");
        for task in &stay {
            let times = seen.iter().filter(|id| **id == task.id).count();
            assert_eq!(times, 1, "{sort:?}, descending: {descending}");
        }
    }
}

/// In both directions.
pub async fn those_that_have_not_ended_come_last<H: Harness>(h: H) {
    let store = h.open().await;
    let mut tasks: Vec<_> = (0..4).map(task_at).collect();
    tasks[1].life = ended(State::Failed, 50);
    tasks[3].life = ended(State::Succeeded, 40);
    submit(&*store, &tasks).await;
    for descending in [false, true] {
        let whole = list(&Filter::default(), SortKey::Finished, descending);
        let found = store.list(whole).await.expect("a list");
        let ended: Vec<Option<Timestamp>> = found.iter().map(|t| t.life.finished_at).collect();
        let mut expected = [Some(at(40)), Some(at(50)), None, None];
        if descending {
            expected.swap(0, 1);
        }
        assert_eq!(ended, expected);
    }
}

/// Exact below it, never above.
pub async fn counting_stops_at_its_limit<H: Harness>(h: H) {
    let store = h.open().await;
    let tasks: Vec<_> = (0..20).map(task_at).collect();
    submit(&*store, &tasks).await;
    for text in ["", "lane:a", "text:title"] {
        for (limit, expected) in [(0, 0), (5, 5), (20, 20), (u64::MAX, 20)] {
            let filter = Filter::parse(text).expect(text);
            let count = store.count_where(filter, at(NOW), limit).await;
            assert_eq!(count.expect("a count"), expected, "{text} up to {limit}");
        }
    }
}

/// A list is for the eye; error and title are there.
pub async fn a_list_without_bodies_has_none<H: Harness>(h: H) {
    let store = h.open().await;
    let mut one = task_at(0);
    one.output = Some(Json::parse("[1]".into()).expect("json"));
    one.error = Some(error(Class::Business, "no", "f"));
    one.spec.labels.insert("batch".into(), "42".into());
    submit(&*store, std::slice::from_ref(&one)).await;
    let mut short = list(&Filter::default(), SortKey::Created, false);
    short.bodies = false;
    let found = store.list(short).await.expect("a list");
    one.output = None;
    one.spec.input = Json::null();
    assert_eq!(found, [one]);
}

/// Values are values.
pub async fn signs_of_sql_are_plain_text<H: Harness>(h: H) {
    let store = h.open().await;
    let nasty = [
        "'; DROP TABLE task; --",
        "%",
        "_",
        "\\",
        "?1",
        "\"",
        "[",
        "\u{0}",
    ];
    let mut tasks = vec![];
    for text in nasty {
        let mut one = task_at(0);
        one.spec.title = format!("a{text}b");
        one.spec.run = Some(text.into());
        one.spec.labels.insert(text.into(), text.into());
        tasks.push(one);
    }
    submit(&*store, &tasks).await;
    for (text, one) in nasty.iter().zip(&tasks) {
        use warrener_model::filter::{Key, Op, Term};
        for (key, op) in [
            (Key::Run, Op::Is),
            (Key::Run, Op::Like),
            (Key::Label((*text).into()), Op::Is),
            (Key::Label((*text).into()), Op::Like),
            (Key::Text, Op::Is),
        ] {
            let term = Term {
                not: false,
                key,
                op,
                values: vec![(*text).into()],
            };
            let filter = Filter { terms: vec![term] };
            let found = store.list(list(&filter, SortKey::Created, false)).await;
            let found = found.expect("a list");
            let expected = tasks.iter().filter(|t| filter.matches(t, at(NOW))).count();
            assert_eq!(found.len(), expected, "{filter:?}");
            assert!(found.iter().any(|t| t.id == one.id), "{filter:?}");
        }
    }
}
