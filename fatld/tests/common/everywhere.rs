//! One program, every way to link it: all ISAs fat, each pair fat, each ISA plain.

use super::Link;

impl Link {
    /// Links the inputs in every combination of their ISAs, runs each view and each plain program, and expects this
    /// exit status of all.
    pub fn answers_everywhere(&self, expected: i32) {
        self.answers_fat(expected);
        self.answers_plain(expected);
    }

    /// The same of fat links only.
    pub fn answers_fat(&self, expected: i32) {
        let count = self.slices.len();
        let mut fat: Vec<Vec<usize>> = vec![(0..count).collect()];
        // Each ISA is the first element of one pair and the second of another.
        if count > 2 {
            fat.extend((0..count).map(|first| vec![first, (first + 1) % count]));
        }
        for slices in fat {
            self.answers(&slices, false, expected);
        }
    }

    /// The same of plain links only.
    pub fn answers_plain(&self, expected: i32) {
        for slice in 0..self.slices.len() {
            self.answers(&[slice], true, expected);
        }
    }

    /// Links some of the slices and runs what comes out.
    fn answers(&self, slices: &[usize], plain: bool, expected: i32) {
        let targets: Vec<_> = slices
            .iter()
            .map(|slice| self.slices[*slice].target)
            .collect();
        let form = if plain { "plain" } else { "fat" };
        let what: Vec<_> = targets.iter().map(|target| target.isa).collect();
        let name = format!("{form}.{}", what.join("."));
        let mut command = self.command_of(slices, plain, &name);
        let programs: Vec<_> = if plain {
            vec![self.path(&name)]
        } else {
            let views = what.iter().map(|isa| format!("{name}.{isa}.elf"));
            views.map(|view| self.path(&view)).collect()
        };
        if !plain {
            let views = what.iter().zip(&programs);
            command.args(views.map(|(isa, path)| format!("--view={isa}={}", path.display())));
        }
        let output = command.output().expect("fatld runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{name}");
        for (target, program) in targets.iter().zip(&programs) {
            let status = target.run(program);
            assert_eq!(status, Some(expected), "{name} on {}", target.isa);
        }
    }
}
