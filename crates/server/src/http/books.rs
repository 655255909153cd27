//! The books, read from the store.

use crate::failure::Answer;
use crate::reading::Params;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use warrener_api::books::Books;

/// Close the books
///
/// Every accepted task is in exactly one state; `lost` is 0.
#[utoipa::path(
    get, path = "/api/v1/books", operation_id = "get_books", tag = "server",
    responses((status = 200, description = "The books", body = Books))
)]
pub(crate) async fn get(State(app): State<App>, params: Params) -> Answer<Json<Books>> {
    params.only(&[])?;
    let books = app.orchestrator.books().await?;
    Ok(Json(Books::of(books.accepted, books.purged, books.states)))
}
