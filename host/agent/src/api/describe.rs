//! What is the same for every route in `/openapi.json`, said once.
//!
//! Pure. Each handler describes its own answers; the guard in front of them all, the token, and the kind of an error's
//! body are added here, when all routes are known.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::optional::only_what_comes;

const TOKEN: &str = "token";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// What any request can be answered with before a handler sees it.
const OF_ALL: [(&str, &str); 3] = [
    ("401", "The token is missing or wrong"),
    ("403", "A browser asks for another site's page, or without a token by a foreign host name"),
    ("405", "The route does not take this method; `Allow` says what it takes"),
];
/// The same where a body is read.
const OF_BODIES: [(&str, &str); 2] = [("408", "The body came too slowly"), ("413", "The body is too large")];
/// The same where something is asked of a process.
const OF_ASKING: [(&str, &str); 3] = [
    ("400", "A parameter has another form"),
    ("429", "Too many wait already; `Retry-After` says when to try again"),
    ("503", "The agent is ending"),
];

/// Adds what is the same for every route.
pub(super) fn complete(document: &mut OpenApi) {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The token of api.token or api.token_file, where one is set. A websocket may carry it as `access_token`.",
    ));
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme.build()));
    only_what_comes(document);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete_one(path, operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn complete_one(path: &str, operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, [])]);
    let asks = path.starts_with("/v1/processes/{id}/") || path == "/v1/processes" || path == "/v1/processes/run";
    let changes =
        operation.request_body.is_some() || ["start", "stop", "restart", "kill"].iter().any(|end| path.ends_with(end));
    let mut more: Vec<(&str, &str)> = OF_ALL.to_vec();
    if operation.request_body.is_some() {
        more.extend(OF_BODIES);
    }
    if asks && changes {
        more.extend(OF_ASKING);
    }
    for (status, description) in more {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
            && let Some(content) = response.content.swap_remove(JSON)
        {
            response.content.insert(PROBLEM.to_owned(), content);
        }
    }
}

fn problem(description: &str) -> Response {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(PROBLEM, body).build()
}
