//! ONNX Runtime's shared library, looked at before `ort` sees it: with a file that is missing or of
//! an older version, `ort` would hang for ever or panic.

#![expect(unsafe_code, reason = "a shared library is asked for its version")]

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;

use vaani_engine_protocol::desk::Fail;

/// The interface version that `ort` asks for: that of ONNX Runtime 1.24.
const INTERFACE: u32 = 24;

/// The beginning of the library's `OrtApiBase`.
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(u32) -> *const c_void,
    get_version: unsafe extern "C" fn() -> *const c_char,
}

/// Loads the library for this process and hands it to `ort`.
pub(crate) fn load(path: &Path) -> Result<(), Fail> {
    // With a bare name, `ort` would look beside the executable and the loader in the system's folders.
    let path = &path
        .canonicalize()
        .map_err(|error| Fail::refused(format!("ONNX Runtime is not at {}: {error}", path.display())))?;
    let unusable = |why: String| Fail::refused(format!("{} cannot be used as ONNX Runtime: {why}", path.display()));
    // SAFETY: the daemon names the file; it runs with this process's rights like the program itself.
    // The two functions have had this place and type since the library's first release.
    unsafe {
        let library = libloading::Library::new(path).map_err(|error| unusable(error.to_string()))?;
        let base = library
            .get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase\0")
            .map_err(|error| unusable(error.to_string()))?;
        let base = base().as_ref().ok_or_else(|| unusable("it has no interface".to_owned()))?;
        if (base.get_api)(INTERFACE).is_null() {
            let version = CStr::from_ptr((base.get_version)()).to_string_lossy();
            return Err(unusable(format!("it is version {version}, at least 1.{INTERFACE} is needed")));
        }
        // Stays loaded: `ort` opens the same file again and gets this one.
        std::mem::forget(library);
    }
    let environment = ort::init_from(path).map_err(|error| unusable(error.to_string()))?;
    environment.commit();
    Ok(())
}
