//! What panics inside parsers is a problem of the object that they read, and no line on the terminal.

/// Keeps the default panic message off the terminal: panics inside parsers are reported as problems. A panic
/// outside of one still ends the program, with this line.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.lock().push(panic.to_string());
    }));
}

/// What panicked so far, for `--verbose` and for the line that ends a program that could not go on.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().clone()
}

static PANICS: parking_lot::Mutex<Vec<String>> = parking_lot::Mutex::new(Vec::new());
