use sandbeat_status::settings::Settings;
use secrecy::ExposeSecret;

use super::*;

/// As the binary nests it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Whole {
    sandbox: SandboxSection,
    report: ReportSection,
    metadata: BTreeMap<String, String>,
    api: ApiSection,
    sessions: SessionsSection,
    disks: DisksSection,
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let (whole, mut problems) = Settings::parse(text).unwrap().read::<Whole>();
    let Whole { sandbox, report, metadata, api, sessions, disks } = whole.unwrap();
    let (config, more) = resolve(Sections { sandbox, report, metadata, api, sessions, disks });
    problems.extend(more);
    (config, problems.iter().map(ToString::to_string).collect())
}

const GOOD: &str = "sandbox.id = \"s-1\"\nreport.server_url = \"http://h/\"\n";

#[test]
fn id_and_url_are_enough() {
    let (config, problems) = read(GOOD);
    assert_eq!(problems, [""; 0]);
    let config = config.unwrap();
    assert_eq!(config.sample.sandbox_id, "s-1");
    assert_eq!(config.report.server_url.to_string(), "http://h");
    assert_eq!((config.report.interval.as_secs(), config.report.timeout.as_secs()), (30, 10));
    assert_eq!(config.report.directed, Duration::from_secs(1)..=Duration::from_secs(3600));
    assert_eq!(config.api.listen.unwrap().to_string(), "127.0.0.1:2468");
    assert!(config.report.token.is_none() && config.api.token.is_none());
}

#[test]
fn who_may_start_programs_is_said_in_a_word() {
    let permission = |api: &str| read(&format!("{GOOD}[api]\n{api}")).0.map(|config| config.api.processes);
    assert_eq!(permission(""), Some(Permission::Token));
    assert_eq!(permission("processes = \"token\""), Some(Permission::Token));
    assert_eq!(permission("processes = \"anyone\""), Some(Permission::Anyone));
    let (_, problems) = read(&format!("{GOOD}[api]\nprocesses = \"everyone\""));
    assert!(problems.iter().any(|problem| problem.contains("api.processes")), "{problems:?}");
}

#[test]
fn every_problem_comes_at_once_with_its_key_and_cure() {
    let (config, problems) = read(
        "[report]\ninterval = \"1ms\"\ntimeout = \"1h\"\nmin_interval = \"2h\"\ntoken_file = \"/nowhere/token\"\n\
         [metadata]\n\"a b\" = \"c\"\nd = \"\\u0007\"\ne = \"\\u202e\"\n[api]\nlisten = \"0.0.0.0:2468\"\n[sessions]\nports = [0]\n",
    );
    assert!(config.is_none());
    for part in [
        "sandbox.id: is missing; set AGENT_SANDBOX_ID, or `id` under [sandbox]",
        "report.server_url: is missing; set AGENT_SERVER_URL, or `server_url` under [report]",
        "report.token_file: /nowhere/token cannot be read",
        "report.interval: 1ms is not between 10ms and 86400s",
        "report.timeout: 3600s is not",
        "report.min_interval: is longer than report.max_interval",
        "metadata.a b: the key contains ' '",
        "metadata.d: the value contains the control character",
        "metadata.e: the value contains U+202E, which",
        "api.listen: 0.0.0.0:2468 can be reached from beyond this machine",
        "sessions.ports: 0 is not a port",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part}: {problems:#?}");
    }
    assert_eq!(problems.len(), 11, "{problems:#?}");
}

#[test]
fn a_bad_id_or_url_is_told_why() {
    let (_, problems) = read("sandbox.id = \"a/b\"\nreport.server_url = \"hub\"\n[api]\nlisten = \"here\"\n");
    assert!(problems[0].starts_with("sandbox.id: the id contains '/'"), "{problems:#?}");
    assert!(problems[1].starts_with("report.server_url: `hub` has no scheme"), "{problems:#?}");
    assert!(problems[2].starts_with("api.listen: `here` is no place to listen"), "{problems:#?}");
}

#[test]
fn a_token_file_is_read_and_trimmed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret\n").unwrap();
    let path = file.path().display();
    let (config, problems) =
        read(&format!("{GOOD}report.token_file = \"{path}\"\napi.token_file = \"{path}\"\napi.listen = \"0.0.0.0:1\""));
    assert_eq!(problems, [""; 0]);
    let config = config.unwrap();
    assert_eq!(config.report.token.as_ref().unwrap().expose_secret(), "s3cret");
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_token_is_never_shown_and_must_fit_a_header() {
    let (_, problems) = read(&format!("{GOOD}report.token = \"s3cr\\u0000et\"\napi.token = \"\""));
    assert_eq!(
        problems,
        ["report.token: the token has a character that is no printable ASCII", "api.token: the token is empty"]
    );
    let (_, problems) = read(&format!("{GOOD}report.token = 31337\n"));
    assert_eq!(problems, ["line 3: report.token: a token has to be a string"]);
    let (_, problems) = read(&format!("{GOOD}report.token = \"a\"\nreport.token_file = \"/b\"\n"));
    assert_eq!(problems, ["report.token_file: report.token is set as well; keep one of the two"]);
    let (_, problems) = read(&format!("{GOOD}report.token_file = \"/\"\n"));
    assert_eq!(problems, ["report.token_file: / is not a file"]);
}

#[test]
fn the_api_can_be_off_or_a_socket() {
    let (config, _) = read(&format!("{GOOD}api.listen = \"off\"\n"));
    assert!(config.unwrap().api.listen.is_none());
    let (config, _) = read(&format!("{GOOD}api.listen = \"unix:/run/a.sock\"\n"));
    assert_eq!(config.unwrap().api.listen, Some(Listen::Unix("/run/a.sock".into())));
}

#[test]
fn the_files_of_tls_are_checked_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.display();
    let report = |text: &str| read(&format!("{GOOD}{text}")).1;
    assert_eq!(
        report(&format!("report.ca_file = \"{empty}\"")),
        [format!(
            "report.ca_file: {empty} has no certificate; it takes PEM, which begins with -----BEGIN CERTIFICATE-----"
        )]
    );
    let problems = report("report.ca_file = \"/nowhere\"\nreport.client_cert_file = \"/nowhere\"");
    assert!(problems[0].starts_with("report.client_key_file: is missing beside"), "{problems:?}");
    assert!(problems[1].starts_with("report.ca_file: /nowhere cannot be read"), "{problems:?}");
    let problems = report("report.client_cert_file = \"/\"\nreport.client_key_file = \"/nowhere\"");
    assert_eq!(problems[0], "report.client_cert_file: / is not a file");
    assert!(problems[1].starts_with("report.client_key_file: /nowhere cannot be read"), "{problems:?}");
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["h".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (ca, pem) = (dir.path().join("ca.pem"), dir.path().join("key.pem"));
    std::fs::write(&ca, cert.pem()).unwrap();
    std::fs::write(&pem, key.serialize_pem()).unwrap();
    let (ca_text, key_text) = (ca.display(), pem.display());
    let (config, problems) = read(&format!(
        "sandbox.id = \"s\"\n[report]\nserver_url = \"https://h\"\nproxy = \"off\"\nca_file = \"{ca_text}\"\n\
         client_cert_file = \"{ca_text}\"\nclient_key_file = \"{key_text}\"\n"
    ));
    assert_eq!(problems, [""; 0]);
    assert_eq!(config.unwrap().report.tls, TlsFiles { ca: Some(ca.clone()), client: Some((ca, pem)) });
}

#[test]
fn a_proxy_is_a_word_or_a_url_and_its_password_is_never_shown() {
    let proxy = |text: &str| {
        let (config, problems) = read(&format!("{GOOD}report.proxy = \"{text}\"\n"));
        (config.map(|config| config.report.proxy), problems)
    };
    assert!(matches!(proxy("off").0, Some(Proxy::Off)));
    assert!(matches!(proxy("http://me:s3cret@proxy:3128").0, Some(Proxy::Url(_))));
    assert!(!format!("{:?}", proxy("http://me:s3cret@proxy:3128")).contains("s3cret"));
    for (text, part) in [
        ("on", "none of `environment`, `off` and a URL"),
        ("", "none of `environment`, `off` and a URL"),
        ("socks5://me:s3cret@proxy:1", "proxies of the kind `socks5` are not supported"),
        ("http://me:s3/cret@proxy:1", "percent-encoded"),
    ] {
        let (config, problems) = proxy(text);
        assert!(config.is_none() && problems.len() == 1, "{problems:?}");
        assert!(problems[0].starts_with("report.proxy: ") && problems[0].contains(part), "{problems:?}");
        assert!(!problems[0].contains("s3"), "{problems:?}");
    }
}

#[test]
fn a_disk_is_named_once_and_can_be_reported() {
    let disks = |paths: &str| read(&format!("{GOOD}[disks]\npaths = [{paths}]\n"));
    assert_eq!(disks("\"/\", \"/no/a\", \"/no/b\"").1, [""; 0]);
    let long = format!("\"/{}\"", "x".repeat(MAX_DISK_PATH));
    for (paths, part) in [
        ("\"/\", \"/no/a\", \"/\"", "`/` is there twice; name each path once"),
        ("\"/a\", \"/a/./\"", "`/a/./` is there twice"),
        ("\"data\"", "`data` is not an absolute path"),
        ("\"/a\\u0007\"", "`/a\\u{7}` cannot be reported: the value contains the control character"),
        (long.as_str(), "cannot be reported: the value has 1025 bytes; 1024 are the most; name another path"),
    ] {
        let (config, problems) = disks(paths);
        assert!(config.is_none() && problems.len() == 1, "{problems:?}");
        assert!(problems[0].starts_with("disks.paths: ") && problems[0].contains(part), "{problems:?}");
    }
}
