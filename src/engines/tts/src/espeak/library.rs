//! The calls into libespeak-ng. A [`Library`] stays on the thread that loaded it.

#![expect(unsafe_code, reason = "espeak-ng is a C library")]

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_int, c_short, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr;

use espeak_rs_sys as sys;
use vaani_engine_protocol::desk::{Fail, Stop};

use crate::language::foreign_voice;
use crate::name::Tone;

/// Milliseconds between two looks at the stop flag while sound is made.
const CHUNK_MS: c_int = 60;
/// Samples of one clause, at most (two minutes); what follows is not made.
const CLAUSE_SAMPLES: usize = 22_050 * 120;

pub(super) struct Library {
    pub(super) rate: u32,
    pub(super) version: String,
    /// Names of languages and of variants, in lower case. espeak-ng itself takes names it does not
    /// know for others, or for nothing.
    languages: BTreeSet<String>,
    variants: BTreeSet<String>,
    /// Raw pointers are neither Send nor Sync, and so is the library.
    here: PhantomData<*const ()>,
}

/// What the callback is given.
struct Recording<'a> {
    sound: Vec<i16>,
    stop: &'a Stop,
}

impl Library {
    pub(super) fn load(home: &Path) -> Result<Self, Fail> {
        let path = CString::new(home.as_os_str().as_encoded_bytes())
            .map_err(|_| Fail::refused("the path of espeak-ng's data holds a zero byte"))?;
        // SAFETY: the path is a C string; the library copies it. Called once, on this thread.
        let rate = unsafe {
            sys::espeak_Initialize(
                sys::espeak_AUDIO_OUTPUT_AUDIO_OUTPUT_SYNCHRONOUS,
                CHUNK_MS,
                path.as_ptr(),
                sys::espeakINITIALIZE_DONT_EXIT as c_int,
            )
        };
        let rate = u32::try_from(rate)
            .ok()
            .filter(|r| *r > 0)
            .ok_or_else(|| Fail::refused(format!("espeak-ng cannot use the data in {} ({rate})", home.display())))?;
        // SAFETY: the callback has the type asked for, the version is a static C string.
        let version = unsafe {
            sys::espeak_SetSynthCallback(Some(record));
            CStr::from_ptr(sys::espeak_Info(ptr::null_mut())).to_string_lossy().into_owned()
        };
        let data = home.join("espeak-ng-data");
        let (mut languages, mut variants) = (BTreeSet::new(), BTreeSet::new());
        names(&data.join("lang"), 4, &mut languages);
        names(&data.join("voices/!v"), 1, &mut variants);
        Ok(Self { rate, version, languages, variants, here: PhantomData })
    }

    /// Runs of letters in another script of the box are read by that language's voice.
    pub(super) fn phonemes(&mut self, text: &str, voice: &str) -> Result<String, Fail> {
        let mut phonemes = String::new();
        for (run_voice, run) in runs(text, voice) {
            self.choose(&run_voice)?;
            let run = CString::new(run).map_err(|_| Fail::refused("the text holds a zero byte"))?;
            let mut rest: *const c_void = run.as_ptr().cast();
            while !rest.is_null() {
                let before = rest;
                // SAFETY: `rest` points into `run`; the library moves it clause by clause and sets
                // it to null at the end. The phonemes live in its buffer until the next call.
                let clause = unsafe {
                    sys::espeak_TextToPhonemes(
                        &mut rest,
                        sys::espeakCHARS_UTF8 as c_int,
                        sys::espeakPHONEMES_IPA as c_int,
                    )
                };
                if !clause.is_null() {
                    // SAFETY: a C string, see above.
                    let clause = unsafe { CStr::from_ptr(clause) }.to_string_lossy();
                    let clause = without_switches(&clause);
                    if !clause.trim().is_empty() {
                        if !phonemes.is_empty() {
                            phonemes.push(' ');
                        }
                        phonemes.push_str(clause.trim());
                    }
                }
                if rest == before {
                    break;
                }
            }
        }
        Ok(phonemes)
    }

    pub(super) fn sound(&mut self, text: &str, tone: &Tone, stop: &Stop) -> Result<Vec<i16>, Fail> {
        // Also where no letter of the text is this voice's to say.
        self.choose(&tone.voice)?;
        let mut recording = Recording { sound: Vec::new(), stop };
        for (run_voice, run) in runs(text, &tone.voice) {
            stop.check()?;
            self.choose(&run_voice)?;
            for (parameter, value) in [
                (sys::espeak_PARAMETER_espeakRATE, tone.rate),
                (sys::espeak_PARAMETER_espeakPITCH, tone.pitch),
                (sys::espeak_PARAMETER_espeakRANGE, tone.range),
                (sys::espeak_PARAMETER_espeakVOLUME, tone.volume),
            ] {
                // SAFETY: numbers only.
                unsafe { sys::espeak_SetParameter(parameter, value, 0) };
            }
            let run = CString::new(run).map_err(|_| Fail::refused("the text holds a zero byte"))?;
            let bytes = run.as_bytes_with_nul().len();
            // SAFETY: text and recording outlive the call, which returns when all sound was made
            // (synchronous mode); the callback gets the recording's address back.
            let outcome = unsafe {
                sys::espeak_Synth(
                    run.as_ptr().cast(),
                    bytes,
                    0,
                    sys::espeak_POSITION_TYPE_POS_CHARACTER,
                    0,
                    sys::espeakCHARS_UTF8,
                    ptr::null_mut(),
                    ptr::from_mut(&mut recording).cast(),
                )
            };
            if outcome != sys::espeak_ERROR_EE_OK {
                stop.check()?;
                return Err(Fail::engine(format!("espeak-ng failed ({outcome})")));
            }
        }
        stop.check()?;
        Ok(recording.sound)
    }

    fn choose(&mut self, voice: &str) -> Result<(), Fail> {
        let unknown = || Fail::refused(format!("espeak-ng has no voice {voice:?}"));
        let (language, variant) = voice.split_once('+').unwrap_or((voice, ""));
        let known = self.languages.contains(&language.to_lowercase())
            && (variant.is_empty() || self.variants.contains(&variant.to_lowercase()));
        let name = CString::new(voice).ok().filter(|_| known).ok_or_else(unknown)?;
        // SAFETY: a C string that the library copies.
        match unsafe { sys::espeak_SetVoiceByName(name.as_ptr()) } {
            sys::espeak_ERROR_EE_OK => Ok(()),
            _ => Err(unknown()),
        }
    }
}

/// The names of all files below a folder.
fn names(folder: &Path, depth: usize, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if depth > 1 {
                names(&path, depth - 1, into);
            }
        } else {
            into.insert(entry.file_name().to_string_lossy().to_lowercase());
        }
    }
}

/// Cuts a text where its script changes to that of another language of the box.
fn runs(text: &str, voice: &str) -> Vec<(String, String)> {
    let variant = voice.split_once('+').map(|(_, v)| format!("+{v}")).unwrap_or_default();
    let mut runs: Vec<(Option<&str>, String)> = Vec::new();
    for c in text.chars() {
        let foreign = foreign_voice(c, voice);
        match runs.last_mut() {
            // What is no letter stays with what stands before it.
            Some((current, run)) if *current == foreign || !c.is_alphanumeric() => run.push(c),
            _ => runs.push((foreign, c.to_string())),
        }
    }
    runs.into_iter()
        .map(|(foreign, run)| (foreign.map_or(voice.to_owned(), |v| format!("{v}{variant}")), run))
        .collect()
}

/// Without the marks of a language switch, such as `(en)`.
fn without_switches(phonemes: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::with_capacity(phonemes.len());
    for c in phonemes.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

unsafe extern "C" fn record(wave: *mut c_short, samples: c_int, events: *mut sys::espeak_EVENT) -> c_int {
    if events.is_null() {
        return 0;
    }
    // SAFETY: the library passes at least one event, whose user data is what `sound` handed in.
    let recording = unsafe { (*events).user_data.cast::<Recording<'_>>().as_mut() };
    let Some(recording) = recording else { return 0 };
    if let (false, Ok(length)) = (wave.is_null(), usize::try_from(samples)) {
        // SAFETY: the library's buffer holds that many samples during this call.
        recording.sound.extend_from_slice(unsafe { std::slice::from_raw_parts(wave, length) });
    }
    // 1 ends the synthesis.
    c_int::from(recording.stop.is_set() || recording.sound.len() > CLAUSE_SAMPLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_its_script_changes() {
        let show = |text: &str, voice: &str| {
            runs(text, voice).into_iter().map(|(v, r)| format!("{v}:{r}")).collect::<Vec<_>>().join("|")
        };
        assert_eq!(show("मेरा order 45 है।", "hi"), "hi:मेरा order 45 है।");
        assert_eq!(show("मेरा தமிழ் नाम", "hi+m3"), "hi+m3:मेरा |ta+m3:தமிழ் |hi+m3:नाम");
        assert_eq!(show("नाम", "mr"), "mr:नाम");
        assert_eq!(show("hello தமிழ்", "en"), "en:hello |ta:தமிழ்");
        assert_eq!(show("", "en"), "");
        assert_eq!(without_switches("mˈeːɾaː (en)ˈɔːdə(hi) hɛː"), "mˈeːɾaː ˈɔːdə hɛː");
    }
}
