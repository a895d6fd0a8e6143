//! Whether a client wants a stream of events or a page of them, from its `Accept` (RFC 9110, 12.5.1).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A stream is for whoever names it and likes it no less than JSON. Who accepts anything gets a page, which ends.
pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    let values: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = values.join(",");
    let quality_of = |name: &str| accept.split(',').filter_map(|range| quality(range, name)).reduce(f64::max);
    let stream = quality_of("text/event-stream").unwrap_or(0.0);
    // The most specific range that matches is the one that counts. Whoever names a stream and does not name JSON has
    // said which of the two it is for.
    let page = quality_of("application/json").or_else(|| quality_of("application/*")).unwrap_or(0.0);
    stream > 0.0 && stream >= page
}

/// How much one range likes what it names; `None` where it names something else.
fn quality(range: &str, name: &str) -> Option<f64> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(name) {
        return None;
    }
    let quality = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    Some(quality.map_or(1.0, |(_, value)| value.trim().parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_for_who_names_it_and_likes_it_best() {
        let wants = |values: &[&str]| {
            wants_stream(&values.iter().map(|value| (ACCEPT, value.parse().unwrap())).collect::<HeaderMap>())
        };
        for stream in [
            &["text/event-stream"][..],
            &["Text/Event-Stream"],
            &["text/event-stream, */*"],
            &["text/event-stream;q=0.5"],
            &["application/json;q=0.5, text/event-stream"],
            &["application/json, text/event-stream"],
            &["text/html", "text/event-stream; charset=utf-8; Q=0.9"],
            &["text/event-stream;q=0.9, */*;q=1"],
        ] {
            assert!(wants(stream), "{stream:?}");
        }
        for page in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/*"],
            &["application/json"],
            &["text/event-stream;q=0"],
            &["text/event-stream;q=0.5, application/json"],
            &["text/event-stream;q=0.5, application/*;q=0.8"],
            &["text/event-stream;q=high"],
            &["text/event-streams"],
        ] {
            assert!(!wants(page), "{page:?}");
        }
    }
}
