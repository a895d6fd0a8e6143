//! The program that a request names: checked before anything is started.
//!
//! Pure. What the kernel would refuse in its own words is refused here in ours; what can only be found out by starting
//! it is not.

use std::collections::BTreeMap;

use crate::api::problem::Problem;

/// The longest argument or variable, in bytes, as the kernel has it (`MAX_ARG_STRLEN`, with the final NUL).
const MAX_WORD: usize = 128 * 1024 - 1;
/// The most bytes of all arguments and variables. The kernel takes a quarter of the stack's limit, usually 2 MiB.
const MAX_WORDS: usize = 1 << 20;
/// The most arguments.
const MAX_ARGS: usize = 4096;
/// The most variables.
const MAX_VARIABLES: usize = 1024;
/// The longest path (`PATH_MAX`, with the final NUL).
const MAX_PATH: usize = 4095;

/// The program and its arguments as one.
///
/// # Errors
/// Something about them cannot be; the message names the field.
pub(super) fn command(program: String, args: Vec<String>) -> Result<Vec<String>, Problem> {
    if program.trim().is_empty() {
        return Err(Problem::invalid("command must not be empty; name a program"));
    }
    if program.len() > MAX_PATH {
        return Err(Problem::invalid(format!("command is longer than {MAX_PATH} bytes")));
    }
    if args.len() > MAX_ARGS {
        return Err(Problem::invalid(format!("args has {} entries; {MAX_ARGS} are the most", args.len())));
    }
    word("command", &program)?;
    for (index, arg) in args.iter().enumerate() {
        word(&format!("args[{index}]"), arg)?;
    }
    if args.iter().map(String::len).sum::<usize>() > MAX_WORDS {
        return Err(Problem::invalid(format!("args is longer than {MAX_WORDS} bytes in all")));
    }
    Ok(std::iter::once(program).chain(args).collect())
}

/// # Errors
/// It cannot be a directory's path.
pub(super) fn cwd(cwd: Option<&str>) -> Result<(), Problem> {
    match cwd {
        Some("") => Err(Problem::invalid("cwd must not be empty; leave it out for the agent's own directory")),
        Some(cwd) if cwd.len() > MAX_PATH => Err(Problem::invalid(format!("cwd is longer than {MAX_PATH} bytes"))),
        Some(cwd) => word("cwd", cwd),
        None => Ok(()),
    }
}

/// # Errors
/// A variable cannot be; its name is told, its value never.
pub(super) fn env(env: &BTreeMap<String, String>) -> Result<(), Problem> {
    if env.len() > MAX_VARIABLES {
        return Err(Problem::invalid(format!("env has {} entries; {MAX_VARIABLES} are the most", env.len())));
    }
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Problem::invalid("env has a name that is empty or contains `=` or a NUL character"));
        }
        word("a name in env", name)?;
        word("a value in env", value)?;
    }
    if env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_WORDS {
        return Err(Problem::invalid(format!("env is longer than {MAX_WORDS} bytes in all")));
    }
    Ok(())
}

fn word(what: &str, word: &str) -> Result<(), Problem> {
    if word.contains('\0') {
        Err(Problem::invalid(format!("{what} contains a NUL character, which no program can be given")))
    } else if word.len() > MAX_WORD {
        Err(Problem::invalid(format!("{what} is longer than {MAX_WORD} bytes")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(args: &[&str]) -> Result<Vec<String>, Problem> {
        command("sh".to_owned(), args.iter().map(|arg| (*arg).to_owned()).collect())
    }

    #[test]
    fn what_no_program_can_be_given_is_refused() {
        assert_eq!(args(&["-c", ""]).unwrap(), ["sh", "-c", ""]);
        let long = "x".repeat(MAX_WORD + 1);
        let many = vec!["x"; MAX_ARGS + 1];
        let much = vec![&long[1..]; 9];
        for bad in [&["a\0b"][..], &[long.as_str()], &many, &much] {
            assert!(args(bad).is_err());
        }
        for bad in ["", "  ", "a\0", long.as_str()] {
            assert!(command(bad.to_owned(), Vec::new()).is_err(), "{:?}", &bad[..bad.len().min(9)]);
        }
        for bad in ["", "/a\0b", long.as_str()] {
            assert!(cwd(Some(bad)).is_err());
        }
        assert!(cwd(Some("/tmp")).is_ok() && cwd(None).is_ok());
    }

    #[test]
    fn variables_are_checked_and_their_values_not_shown() {
        let one = |name: &str, value: &str| env(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        assert!(one("A", "b=c").is_ok());
        assert!(one("A=B", "c").is_err() && one("", "c").is_err());
        let problem = one("KEY", "s3cret\0").unwrap_err();
        assert!(!format!("{problem:?}").contains("s3cret"));
    }
}
