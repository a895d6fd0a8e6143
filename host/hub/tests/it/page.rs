//! The page's files as a browser gets them. What it does with them is tested in one, in `tests/page`.

use crate::harness::{Answer, Hub, admin_key};

/// A header's value, in lower case.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The addresses of this hub that a text names as an attribute.
fn addresses(page: &str) -> Vec<String> {
    let named = page.split("href=\"").chain(page.split("src=\"")).skip(1);
    let named = named.filter_map(|rest| rest.split('"').next()).filter(|address| address.starts_with('/'));
    named.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_page_is_for_everyone_and_the_data_is_not() {
    let hub = Hub::start(admin_key).await;
    let page = hub.get("/").host("hub.example").send().await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
    hub.get("/api/v1/sandboxes").send().await.refused(401, "admin key");
    hub.post("/").send().await.refused(405, "does not take POST");
    hub.stop().await;
}

#[tokio::test]
async fn each_file_that_the_page_names_is_there_and_is_kept_for_good() {
    let hub = Hub::start(|_| {}).await;
    let addresses = addresses(&hub.get("/").send().await.text);
    assert!(addresses.len() > 20, "{addresses:?}");
    for address in addresses {
        let file = hub.get(&address).send().await;
        let kind = match address.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((file.status, header(&file, "content-type")), (200, Some(kind)), "{address}");
        assert_eq!(header(&file, "cache-control"), Some("public, max-age=31536000, immutable"), "{address}");
        guarded(&file);
    }
    hub.get("/page/0000000000000000/app.js").send().await.refused(404, "another version");
    hub.get("/page/0000000000000000/none.js").send().await.refused(404, "no such file");
    hub.stop().await;
}

#[tokio::test]
async fn the_page_itself_is_asked_for_anew_and_costs_nothing_while_it_is_the_same() {
    let hub = Hub::start(|_| {}).await;
    let page = hub.get("/").send().await;
    guarded(&page);
    assert_eq!(header(&page, "cache-control"), Some("no-cache"));
    let etag = header(&page, "etag").unwrap();
    for known in [etag.to_owned(), format!("\"other\", W/{etag}")] {
        let same = hub.get("/").header("If-None-Match", &known).send().await;
        assert_eq!((same.status, same.text.as_str()), (304, ""), "{same:?}");
        guarded(&same);
    }
    assert_eq!(hub.get("/").header("If-None-Match", "\"other\"").send().await.status, 200);
    hub.stop().await;
}

#[track_caller]
fn guarded(answer: &Answer) {
    let policy = header(answer, "content-security-policy").unwrap_or_default();
    for part in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header(answer, "referrer-policy"), Some("no-referrer"));
    assert_eq!(header(answer, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(answer, "cross-origin-opener-policy"), Some("same-origin"));
}
