//! `vendored.toml`, with which the SDK is copied into collectors' projects, says what the workspace says here.

#![expect(clippy::unwrap_used, reason = "a test ends with its first surprise")]

use toml::{Table, Value};

fn read(file: &str) -> Table {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

#[test]
fn the_copy_is_built_like_the_original() {
    let workspace = &read("../../../Cargo.toml")["workspace"];
    let mut expected = read("Cargo.toml");
    for section in ["lints", "dev-dependencies"] {
        expected.remove(section).unwrap();
    }
    for (key, value) in expected["package"].as_table_mut().unwrap() {
        if value.get("workspace").is_some() {
            *value = workspace["package"][key].clone();
        }
    }
    let inherited = Value::Table(Table::from_iter([("workspace".to_owned(), Value::Boolean(true))]));
    for (_, target) in expected["target"].as_table_mut().unwrap() {
        for (name, dependency) in target["dependencies"].as_table_mut().unwrap() {
            assert_eq!(dependency, &inherited, "{name}");
            *dependency = workspace["dependencies"][name].clone();
        }
    }
    assert_eq!(read("vendored.toml"), expected);
}
