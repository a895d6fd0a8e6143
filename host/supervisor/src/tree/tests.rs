//! When the number of a group is given up.

use super::*;

fn tree(script: &str) -> Tree {
    let (sweeper, _) = Sweeper::start(0, Memory::watch());
    let kin = Kin { token: "0.0.0/test.0".into(), leaf: None, sealed: false, sweeper, memory: Memory::watch() };
    let child = tokio::process::Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap();
    Tree::new(child, None, kin).unwrap()
}

fn named(tree: &mut Tree) -> (Option<i32>, Option<i32>) {
    match tree.claim() {
        Claim::Start { child, group, .. } => (child, group),
        other @ Claim::Agent { .. } => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_number_of_a_group_is_given_up_with_its_last_member() {
    let (mut tree, mut stranger) = (tree("exit 0"), tree("exec sleep 1000"));
    let id = i32::try_from(tree.id()).unwrap();
    tree.exited().await;
    assert_eq!(named(&mut tree), (Some(id), Some(id)), "not reaped, it is taken");
    tree.child.wait().await.unwrap();
    assert_eq!(named(&mut tree), (None, None));
    // Whoever has the number now.
    tree.id = stranger.id;
    assert_eq!(named(&mut tree), (None, None), "it is not taken up again");
    stranger.signal_group(Signal::KILL);
}

#[tokio::test]
async fn a_group_is_named_as_long_as_it_has_a_member() {
    let mut tree = tree("sleep 1000 & exit 0");
    let id = i32::try_from(tree.id()).unwrap();
    tree.child.wait().await.unwrap();
    assert_eq!(named(&mut tree), (None, Some(id)));
    tree.signal_group(Signal::KILL);
    while tree.has_group() {
        sleep(FIRST_PAUSE).await;
    }
    assert_eq!(named(&mut tree), (None, None));
}
