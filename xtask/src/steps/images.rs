//! The images, without a container engine: each Dockerfile is executed step by step, and the result of its last stage
//! is started as an engine would start it.
//!
//! The contents of the base images come from this machine: Rust, Node.js, and the C libraries of `distroless/cc`. The
//! build sees only the context, which is mounted over the path of the work tree; so cargo finds its earlier build
//! results. The image runs with its own read-only root, its own user, no new privileges, and its own network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::dockerfile::{Stage, context, stages};
use super::files::empty;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::{Project, forget_this_package};

/// The libraries of `gcr.io/distroless/cc-debian12`. A binary that needs others does not start there.
const LIBRARIES: [&str; 8] = [
    "linux-vdso.so",
    "ld-linux-",
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libstdc++.so",
    "libdl.so",
    "libpthread.so",
];

/// Executes both Dockerfiles and starts the results. Needs Linux, and root for mounts and a separate user.
///
/// # Errors
/// When a step fails, a file is missing, or a result does not start or is not healthy.
pub(crate) fn build_and_start(project: &Project) -> Result<(), Failure> {
    for name in ["Dockerfile.chat", "Dockerfile.sig"] {
        println!("\n---- {name} ----");
        let bare = project.tools().join("images").join(name);
        empty(&bare)?;
        let all = stages(&project.root().join("deploy").join(name))?;
        let (last, build) = all.split_last().ok_or_else(|| Failure::Broken(format!("{name} is empty")))?;
        let builder = Builder { project, bare: &bare };
        builder.copy_context()?;
        for stage in build {
            builder.carry_out(stage)?;
        }
        builder.fill_image(last)?;
        builder.start(last)?;
    }
    Ok(())
}

struct Builder<'a> {
    project: &'a Project,
    bare: &'a Path,
}

impl Builder<'_> {
    fn context(&self) -> PathBuf {
        self.bare.join("context")
    }

    /// The path on this machine for an absolute path in the build stages.
    fn stage(&self, path: &str) -> PathBuf {
        self.bare.join("stage").join(path.trim_start_matches('/'))
    }

    fn image(&self) -> PathBuf {
        self.bare.join("image")
    }

    /// `COPY . .`, filtered by `.dockerignore`.
    fn copy_context(&self) -> Result<(), Failure> {
        let files = context(self.project.root())?;
        println!("context: {} files", files.len());
        empty(&self.context())?;
        // Preserves modification times, by which cargo recognises what it has built.
        let mut copy = Command::new("cp");
        copy.current_dir(self.project.root()).args([
            "--parents",
            "--preserve=mode,timestamps",
            "--target-directory",
        ]);
        copy.arg(self.context()).args(files);
        copy.read().map(drop)
    }

    /// Executes `RUN` and `COPY --from` of a build stage.
    fn carry_out(&self, stage: &Stage) -> Result<(), Failure> {
        for (kind, text) in &stage.instructions {
            match kind.as_str() {
                "COPY" if text.starts_with("--from=node ") => self.take_node(text)?,
                "RUN" => self.run(text)?,
                "WORKDIR" if text == "/src" => {}
                "COPY" if text == ". ." => {}
                other => return Err(Failure::Broken(format!("nobody here can carry out {other} {text}"))),
            }
        }
        println!("stage {}: done", stage.name.as_deref().unwrap_or("without a name"));
        Ok(())
    }

    /// Takes these paths of the stage `node` from this machine.
    fn take_node(&self, text: &str) -> Result<(), Failure> {
        let to = text.rsplit(' ').next().unwrap_or_default();
        let from = match to {
            "/usr/local/bin/node" => Command::new("sh").args(["-c", "command -v node"]).read()?,
            "/usr/local/lib/node_modules" => Command::new("npm").args(["root", "--global"]).read()?,
            other => return Err(Failure::Broken(format!("the image node is not known to have {other}"))),
        };
        let to = self.stage(to);
        let folder = to.parent().unwrap_or(self.bare);
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        Command::new("cp").arg("--recursive").arg("--dereference").arg(from.trim()).arg(to).run()
    }

    /// Runs a command of the build stage in the context, which is mounted at the path of the work tree. Absolute paths
    /// in the command refer to the stage.
    fn run(&self, text: &str) -> Result<(), Failure> {
        const MOUNT: &str = "mkdir -p \"$context/target\" \"$target\"; mount --bind \"$target\" \"$context/target\"; \
            mount --rbind \"$context\" \"$root\"; cd \"$root\"; exec sh -ec \"$run\"";
        let stage = self.bare.join("stage");
        fs::create_dir_all(stage.join("usr/local/bin")).map_err(Failure::file(&stage))?;
        let run = text.replace(" /", &format!(" {}/", stage.display()));
        println!("RUN {text}");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut build = Command::new("unshare");
        forget_this_package(&mut build);
        build
            .args(["--mount", "sh", "-ec", MOUNT])
            .env("PATH", format!("{}:{path}", stage.join("usr/local/bin").display()))
            .env("context", self.context())
            .env("target", self.project.target())
            .env("root", self.project.root())
            .env("CARGO_TARGET_DIR", self.project.root().join("target"))
            .env("run", run)
            .run()
    }

    /// Copies the last stage's files, and the libraries of its base image.
    fn fill_image(&self, stage: &Stage) -> Result<(), Failure> {
        for (_, text) in stage.instructions.iter().filter(|(kind, _)| kind == "COPY") {
            let words: Vec<_> = text.split(' ').collect();
            let [flags @ .., from, to] = words.as_slice() else {
                return Err(Failure::Broken(format!("COPY {text} copies nothing")));
            };
            let from = match from.strip_prefix("/src/target/") {
                Some(built) => self.project.target().join(built),
                None => self.stage(from),
            };
            let to = self.image().join(to.trim_start_matches('/'));
            let folder = to.parent().unwrap_or(self.bare);
            fs::create_dir_all(folder).map_err(Failure::file(folder))?;
            Command::new("cp").arg("--recursive").arg(&from).arg(&to).run()?;
            if let Some(owner) = flags.iter().find_map(|flag| flag.strip_prefix("--chown=")) {
                Command::new("chown").args(["--recursive", owner]).arg(&to).run()?;
            }
        }
        for binary in entrypoint_and_check(stage)?.iter().filter_map(|words| words.first()) {
            self.take_libraries(&self.image().join(binary.trim_start_matches('/')))?;
        }
        Ok(())
    }

    fn take_libraries(&self, binary: &Path) -> Result<(), Failure> {
        let listed = Command::new("ldd").arg(binary).read()?;
        for line in listed.lines() {
            let name = line.trim().rsplit('/').next().unwrap_or_default();
            let known = |name: &str| LIBRARIES.iter().any(|library| name.starts_with(library));
            if !known(line.trim()) && !known(name) {
                return Err(Failure::Broken(format!("{} needs {}", binary.display(), line.trim())));
            }
            if let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) {
                let to = self.image().join(path.trim_start_matches('/'));
                let folder = to.parent().unwrap_or(self.bare);
                fs::create_dir_all(folder).map_err(Failure::file(folder))?;
                Command::new("cp").arg("--dereference").arg(path).arg(to).read()?;
            }
        }
        Ok(())
    }

    /// Starts the image, waits until its health check succeeds, and stops it.
    fn start(&self, stage: &Stage) -> Result<(), Failure> {
        const SCRIPT: &str = r#"
ip link set lo up
mkdir -p "$image/tmp"
mount --bind "$image" "$image"
mount --bind "$image/data" "$image/data"
mount -o remount,ro,bind "$image"
mount -t tmpfs -o size=16m,noexec,nosuid,nodev tmpfs "$image/tmp"
if touch "$image/usr/bin/changed" 2>/dev/null; then echo "the root can be written"; exit 1; fi
within() {
    exec env -i $variables setpriv --no-new-privs --clear-groups \
        unshare --root="$image" --wd="$folder" --setgid="${user#*:}" --setuid="${user%:*}" "$@"
}
within $entrypoint & server=$!
tries=0
until (within $check); do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 $server; then echo "not healthy"; exit 1; fi
    sleep 0.1
done
echo "healthy; user and groups: $(grep -E '^(Uid|Gid|NoNewPrivs|CapEff)' /proc/$server/status | tr '\t\n' '  ')"
ls -ln "$image$folder"/*.db
kill -TERM $server
wait $server
echo "stopped by SIGTERM with status 0"
"#;
        let [entrypoint, check] = entrypoint_and_check(stage)?.map(|words| words.join(" "));
        Command::new("unshare")
            .args(["--mount", "--net", "sh", "-ec", SCRIPT])
            .env("image", self.image())
            .env("user", stage.last("USER")?)
            .env("folder", stage.last("WORKDIR")?)
            .env(
                "variables",
                format!("PATH={} {}", std::env::var("PATH").unwrap_or_default(), stage.last("ENV")?),
            )
            .env("entrypoint", entrypoint)
            .env("check", check)
            .run()
    }
}

/// The entry point and the health check of the image.
fn entrypoint_and_check(stage: &Stage) -> Result<[Vec<String>; 2], Failure> {
    let words = |json: &str| {
        serde_json::from_str::<Vec<String>>(json).map_err(|error| Failure::Broken(format!("{json}: {error}")))
    };
    let check = stage.last("HEALTHCHECK")?;
    let (_, command) =
        check.split_once("CMD ").ok_or_else(|| Failure::Broken("HEALTHCHECK has no CMD".to_owned()))?;
    Ok([words(stage.last("ENTRYPOINT")?)?, words(command)?])
}
