//! The collector `ten` as an author of Extism plugins would write it: the same ten points, and what it is, as JSON.

use std::collections::BTreeMap;

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::Serialize;

#[derive(Serialize)]
struct Contribution {
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    name: &'static str,
    unit: &'static str,
    value: f64,
    attributes: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Description {
    version: &'static str,
    summary: &'static str,
}

#[plugin_fn]
pub fn describe() -> FnResult<Json<Description>> {
    Ok(Json(Description { version: "1.0.0", summary: "Ten temperatures that nobody measured." }))
}

#[plugin_fn]
pub fn collect() -> FnResult<Json<Contribution>> {
    let metrics = (0..10u8).map(|id| Metric {
        name: "hw.temperature",
        unit: "Cel",
        value: f64::from(40 + id),
        attributes: BTreeMap::from([("hw.id", id.to_string())]),
    });
    Ok(Json(Contribution { metrics: metrics.collect() }))
}
