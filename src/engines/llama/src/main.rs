//! vaani's language-model worker: llama.cpp in a process of its own.
//!
//! Promise: requests of one conversation reuse what is evaluated of it, and those of different
//! calls are decoded together; a request either fits whole or is refused with the numbers; nothing
//! a caller said is ever written to standard error. Absent on purpose: prompts, policy, history.
//! Started by the daemon with its socket as standard input and its settings as the one argument.

mod cells;
mod choice;
mod lane;
mod log;
mod model;
mod prompt;
mod settings;
mod words;
mod work;

use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use vaani_engine_protocol::desk::{self, Fail};
use vaani_engine_protocol::worker::{self, Stopwatch, Teller};
use vaani_engine_protocol::{Ready, Tell};

use lane::Lane;
use model::Model;
use settings::Settings;
use work::Calls;

const ENGINE_VERSION: &str = "llama.cpp of llama-cpp-2 0.1.160";

fn main() -> ExitCode {
    set_environment();
    let stream = match worker::socket() {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!("no socket on standard input: {error}");
            return ExitCode::FAILURE;
        }
    };
    let clone = stream.try_clone();
    let Ok(mouth) = clone else { return ExitCode::FAILURE };
    let teller = Teller::new(mouth);
    match serve(stream, &teller) {
        Ok(never) => never,
        Err(fail) => {
            eprintln!("{}", fail.detail);
            // If nobody listens any more, nobody needs to know.
            let _ = teller.tell(0, &fail.into(), &[]);
            ExitCode::FAILURE
        }
    }
}

fn serve(stream: UnixStream, teller: &Teller) -> Result<ExitCode, Fail> {
    let watch = Stopwatch::start();
    let settings: Settings = worker::begin(|settings: &Settings| &settings.limits)?;
    settings.check()?;
    desk::quiet_panics();
    log::start();
    let model = Model::load(&settings)?;
    let cores = thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    let shape = settings.shape(cores, model.bytes_of_weights(), model.is_stateful());
    eprintln!("{shape:?}");
    let calls = Calls::new(shape.lanes as usize, settings.queue);
    thread::scope(|scope| {
        let (opened, lanes) = mpsc::channel();
        for number in 0..shape.lanes as usize {
            let (opened, model, calls) = (opened.clone(), &model, &calls);
            let run = move || match Lane::new(number, model, shape, calls, teller) {
                Ok(lane) => {
                    // The receiver is gone only when another lane failed, and then the process ends.
                    let _ = opened.send(Ok(()));
                    drop(opened);
                    lane.run();
                }
                Err(fail) => {
                    let _ = opened.send(Err(fail));
                }
            };
            let spawned = thread::Builder::new().name(format!("lane-{number}")).spawn_scoped(scope, run);
            spawned.map_err(|error| Fail::engine(format!("no thread for a lane: {error}")))?;
        }
        drop(opened);
        for outcome in lanes {
            if let Err(fail) = outcome {
                calls.desk.close();
                return Err(fail);
            }
        }
        let ready = Ready {
            engine: "llama".to_owned(),
            version: ENGINE_VERSION.to_owned(),
            models: vec![settings.model.display().to_string()],
            // A model's languages are known to the catalogue, not to its file.
            languages: Vec::new(),
            load_ms: watch.ms(),
            slots: settings.slots,
        };
        if teller.tell(0, &Tell::Ready(ready), &[]).is_ok()
            && let Err(error) = desk::read(stream, teller, &calls.desk, |ask, _| calls.sort(ask))
        {
            eprintln!("the daemon is not understood: {error}");
        }
        desk::leave(&calls.desk)
    })
}

/// Set before `main`, or the native libraries do not heed them: OpenMP threads that spin between
/// steps starve every other engine of a small box, and ggml's last words would be a debugger's
/// listing of everything in memory.
const ENVIRONMENT: [(&str, &str); 2] = [("GOMP_SPINCOUNT", "0"), ("GGML_NO_BACKTRACE", "1")];

/// A process that was started without them starts itself again.
fn set_environment() {
    use std::os::unix::process::CommandExt;
    if ENVIRONMENT.iter().all(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let missing = ENVIRONMENT.iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).envs(missing.copied()).exec();
    eprintln!("cannot start again with {ENVIRONMENT:?}: {error}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_that_of_the_dependency() {
        let version = super::ENGINE_VERSION.rsplit(' ').next().unwrap();
        assert!(include_str!("../Cargo.toml").contains(&format!("\"={version}\"")));
    }
}
