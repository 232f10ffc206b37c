//! Flags that are Python's own: what they and their variables in the environment say of the program.

use crate::number::hash::HashSeed;
use crate::number::int_text::DEFAULT_MAX_DIGITS;
use crate::vm::switches::Switches;

use super::flags::Given;

/// The least limit of digits that is one.
const LEAST_DIGITS: usize = 640;

/// What the same flags and variables say of the process.
pub(super) struct Settings {
    /// Output is written at once.
    pub(super) unbuffered: bool,
    /// The seed of the hashes of texts: zero where nothing is said, so that runs repeat.
    pub(super) hash_seed: HashSeed,
}

/// Reads the flags, and the variables unless these are to be ignored. Err: what is wrong with one.
pub(super) fn read(flags: &Given) -> Result<(Switches, Settings), String> {
    let given = |name: &str| flags.count(name);
    let isolated = given("isolated") > 0;
    let ignore_environment = isolated || given("ignore-environment") > 0;
    let variable = |name: &str| {
        (!ignore_environment).then(|| std::env::var(name).ok()).flatten().filter(|value| !value.is_empty())
    };
    let extras: Vec<(String, Option<String>)> = flags
        .values("extra")
        .iter()
        .map(|extra| match extra.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (extra.clone(), None),
        })
        .collect();
    let extra = |name: &str| extras.iter().rev().find(|(known, _)| known == name);
    let dev_mode = extra("dev").is_some() || variable("PYTHONDEVMODE").is_some();
    let mut warnings: Vec<String> = vec![];
    if dev_mode {
        warnings.push("default".to_owned());
    }
    if let Some(list) = variable("PYTHONWARNINGS") {
        warnings.extend(list.split(',').map(str::to_owned));
    }
    warnings.extend(flags.values("warning"));
    // As a number, or 1 for any other text.
    let level = variable("PYTHONOPTIMIZE").map_or(0, |value| value.parse::<u8>().unwrap_or(1));
    let digits = match (extra("int_max_str_digits"), variable("PYTHONINTMAXSTRDIGITS")) {
        (Some((_, value)), _) => Some(("-X int_max_str_digits", value.clone().unwrap_or_default())),
        (None, Some(value)) => Some(("PYTHONINTMAXSTRDIGITS", value)),
        (None, None) => None,
    };
    let int_max_str_digits = match digits {
        None => DEFAULT_MAX_DIGITS,
        Some((place, value)) => value.parse().ok().filter(|n| *n == 0 || *n >= LEAST_DIGITS).ok_or_else(|| {
            format!(
                "config_init_int_max_str_digits: {place}: invalid limit; must be >= {LEAST_DIGITS} or 0 for unlimited."
            )
        })?,
    };
    let hash_seed = match variable("PYTHONHASHSEED") {
        None => HashSeed::Fixed(0),
        Some(text) => HashSeed::parse(&text)
            .ok_or("config_init_hash_seed: PYTHONHASHSEED must be \"random\" or an integer in range [0; 4294967295]")?,
    };
    let unbuffered = flags.is_set("unbuffered") || variable("PYTHONUNBUFFERED").is_some();
    let switches = Switches {
        inspect: flags.is_set("interactive") || variable("PYTHONINSPECT").is_some(),
        optimize: given("optimize").max(level).min(2),
        no_user_site: isolated || given("no-user-site") > 0,
        no_site: given("no-site") > 0,
        ignore_environment,
        quiet: given("quiet") > 0,
        isolated,
        dev_mode,
        safe_path: isolated || given("safe-path") > 0 || variable("PYTHONSAFEPATH").is_some(),
        int_max_str_digits,
        warnings,
        extras,
    };
    Ok((switches, Settings { unbuffered, hash_seed }))
}
