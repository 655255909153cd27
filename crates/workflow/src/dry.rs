//! What would be refused of a step whatever its run is given: the parts that are no templates, looked at as a server will
//! look at its tasks and its session.

use crate::ask;
use crate::mistake::{Mistakes, Place};
use crate::plan::submission;
use crate::template::{Context, Template};
use crate::workflow::{Session, Step, What, Workflow};
use serde_json::{Value, json};
use warrener_model::session::open;
use warrener_model::{Mistake, SessionId, TaskId, Timestamp};

pub(crate) fn steps(workflow: &Workflow, mistakes: &mut Mistakes) {
    for step in &workflow.steps {
        let found = match &step.what {
            What::Kind(kind) => task(step, kind.as_str()),
            What::Session(session) => asked(step, session),
            What::Aggregate(_) => vec![],
        };
        for one in found {
            let mut parts = one.pointer.split('/').skip(1);
            let (field, part) = (parts.next().unwrap_or_default(), parts.next());
            let field = field.strip_suffix("_ms").unwrap_or(field);
            let place = place(step, field, part);
            mistakes.add(place, format!("\"{field}\": {}", one.message));
        }
    }
}

/// Where a field stands, as far as that is kept; else where its step does.
fn place(step: &Step, field: &str, part: Option<&str>) -> Place {
    let template = match (field, &step.what) {
        ("title", _) => step.title.as_ref(),
        ("description", _) => step.description.as_ref(),
        ("input", _) => step.input.as_ref(),
        ("labels", _) => part.and_then(|key| step.labels.get(key)),
        ("question", What::Session(session)) => Some(&session.question),
        ("topic", What::Session(session)) => session.topic.as_ref(),
        ("options", What::Session(session)) => session.options.as_ref(),
        ("context", What::Session(session)) => session.context.as_ref(),
        _ => None,
    };
    template.map_or(step.place, |template| template.place)
}

fn stays(template: &Option<Template>) -> Option<Template> {
    template.clone().filter(Template::is_constant)
}

fn task(step: &Step, kind: &str) -> Vec<Mistake> {
    let labels = step.labels.iter();
    let step = Step {
        title: stays(&step.title),
        description: stays(&step.description),
        input: stays(&step.input),
        // A key is what it is, also where its value is filled in later.
        labels: labels
            .map(|(key, value)| (key.clone(), value.or_else("x".into())))
            .collect(),
        ..step.clone()
    };
    let id = TaskId::from_bytes([0; 16]);
    let nothing = Context::new(&json!({}));
    match submission(&step, kind, &nothing) {
        Ok(submission) => submission.check(id, at()).err().unwrap_or_default(),
        // What is no template is filled in always.
        Err(_) => vec![],
    }
}

fn asked(step: &Step, session: &Session) -> Vec<Mistake> {
    let session = Session {
        topic: stays(&session.topic),
        question: session.question.or_else("?".into()),
        options: session
            .options
            .as_ref()
            .map(|options| options.or_else(json!(["one", "other"]))),
        context: stays(&session.context),
        ..session.clone()
    };
    let nothing = Context::new(&json!({}));
    match ask::request(step, &session, &nothing) {
        Ok(request) => {
            let opened = open(SessionId::from_bytes([0; 16]), &request, &[], at());
            opened.err().unwrap_or_default()
        }
        Err(_) => vec![],
    }
}

/// Any time: nothing in a file is a point in time.
fn at() -> Timestamp {
    Timestamp::from_millis(0)
}

impl Template {
    /// The same if nothing has to be filled in, else this in its place.
    fn or_else(&self, value: Value) -> Template {
        match self.is_constant() {
            true => self.clone(),
            false => Template::of(self.place, value),
        }
    }
}
