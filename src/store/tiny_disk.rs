//! For tests: a disk of its own that is soon full. Needs the right to mount; where it is missing the tests
//! that want it say so and do the rest.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct TinyDisk(PathBuf);

impl TinyDisk {
    pub(crate) fn new(at: &Path, kib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={kib}k");
        let out = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "vaani-test"]).arg(at).output();
        match out {
            Ok(out) if out.status.success() => Some(Self(at.to_owned())),
            out => {
                let why = out.map(|out| String::from_utf8_lossy(&out.stderr).into_owned());
                eprintln!("SKIPPED: no disk could be mounted for this test: {why:?}");
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all room but about so many KiB.
    pub(crate) fn fill(&self, leave_kib: u64) {
        let (free, _) = super::disk::room_of(&self.0).unwrap();
        let bytes = usize::try_from(free.saturating_sub(leave_kib * 1_024)).unwrap();
        std::fs::write(self.ballast(), vec![0; bytes]).unwrap();
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast.part")
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}
