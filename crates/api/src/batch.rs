//! The answer to a batch: accepted whole, in the order it came.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warrener_model::TaskId;

/// The answer to `POST /api/v1/tasks/batch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer {
    /// One entry a request, in order.
    pub items: Vec<BatchItem>,
}

/// What became of one request of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchItem {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The task.
    #[schema(value_type = String, format = "uuid")]
    pub id: TaskId,
    /// The same request was accepted before under the same key.
    pub duplicate: bool,
}
