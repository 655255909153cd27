//! Waiting for several tasks at once.

use crate::task::TaskObject;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::TaskId;

/// The answer to `POST /api/v1/tasks/wait`: comes when all have ended (with `any`: one of them), or the time is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WaitAnswer {
    /// Those that have ended, without bodies, in the order asked.
    pub done: Vec<TaskObject>,
    /// The others.
    #[schema(value_type = Vec<String>)]
    pub pending: Vec<TaskId>,
}
