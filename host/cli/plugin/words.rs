//! Words that cannot be the name of a collector in a language, in lower case: those of the language itself, and names
//! that its tools refuse for a package.

use crate::args::Language;

pub(super) fn reserved(language: Language) -> &'static [&'static str] {
    match language {
        Language::C => C,
        Language::Javascript => JAVASCRIPT,
        Language::Python => PYTHON,
        Language::Rust => RUST,
    }
}

/// Keywords of C23, and `main`.
#[rustfmt::skip]
const C: &[&str] = &[
    "alignas", "alignof", "auto", "bool", "break", "case", "char", "const", "constexpr", "continue", "default", "do",
    "double", "else", "enum", "extern", "false", "float", "for", "goto", "if", "inline", "int", "long", "main",
    "nullptr", "register", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert", "struct",
    "switch", "thread_local", "true", "typedef", "typeof", "typeof_unqual", "union", "unsigned", "void", "volatile",
    "while",
];

/// Reserved words of ECMAScript modules, and what npm refuses.
#[rustfmt::skip]
const JAVASCRIPT: &[&str] = &[
    "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete",
    "do", "else", "enum", "eval", "export", "extends", "false", "favicon", "finally", "for", "function", "if",
    "implements", "import", "in", "instanceof", "interface", "let", "new", "node_modules", "null", "package",
    "private", "protected", "public", "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof",
    "var", "void", "while", "with", "yield",
];

/// Keywords of Python 3, in lower case.
#[rustfmt::skip]
const PYTHON: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except",
    "false", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "none", "nonlocal", "not", "or",
    "pass", "raise", "return", "true", "try", "while", "with", "yield",
];

/// Keywords of Rust up to the edition 2024, and what Cargo refuses for a package.
#[rustfmt::skip]
const RUST: &[&str] = &[
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "proc_macro", "pub", "ref", "return", "sandbeat_sdk", "self",
    "static", "std", "struct", "super", "test", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];
