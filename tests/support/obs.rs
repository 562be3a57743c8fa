//! OBS Studio without a screen: a profile written by hand, a virtual X server, software rendering.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::peer::Peer;
use super::wait;

const DISPLAY_WITHIN: Duration = Duration::from_secs(15);

/// A running OBS that publishes from its start on.
pub struct Obs {
    // Fields drop in this order: OBS before the screen it draws on.
    program: Peer,
    screen: Peer,
}

impl Obs {
    /// Starts OBS with its settings in `folder`, publishing a coloured picture and silence to
    /// `server` with `key`, as a custom service, without reconnecting.
    pub fn publish(server: &str, key: &str, folder: &Path) -> Self {
        let home = folder.join("obs-home");
        write_settings(&home.join(".config/obs-studio"), server, key);
        let runtime = folder.join("obs-runtime");
        fs::create_dir_all(&runtime).expect("a runtime folder");
        let (screen, display) = virtual_screen(folder);
        let mut command = Command::new("dbus-run-session");
        command.args(["--", "obs", "--startstreaming", "--multi"]);
        command.args(["--disable-missing-files-check", "--disable-updater"]);
        command.env("HOME", &home).env("XDG_CONFIG_HOME", home.join(".config"));
        command.env("XDG_RUNTIME_DIR", &runtime).env("DISPLAY", display);
        command.env("QT_QPA_PLATFORM", "xcb").env("LIBGL_ALWAYS_SOFTWARE", "1");
        Self { program: Peer::spawn("obs", command, folder), screen }
    }

    /// What OBS logged.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Whether OBS and its screen run.
    pub fn is_alive(&mut self) -> bool {
        self.program.is_alive() && self.screen.is_alive()
    }
}

/// Starts Xvfb on a display number of its own choosing.
fn virtual_screen(folder: &Path) -> (Peer, String) {
    // `-displayfd 0`: the number is written to what is standard input for the others, a file here.
    let number: PathBuf = folder.join("display");
    let file = fs::File::create(&number).expect("a file for the display number");
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "0", "-screen", "0", "1024x768x24", "-nolisten", "tcp"]);
    let screen = Peer::spawn_with_input("xvfb", command, folder, Stdio::from(file));
    let display = wait::until("Xvfb has a display", DISPLAY_WITHIN, || {
        let mut text = String::new();
        fs::File::open(&number).ok()?.read_to_string(&mut text).ok()?;
        text.ends_with('\n').then(|| format!(":{}", text.trim()))
    });
    (screen, display)
}

/// Everything OBS would ask a person on its first start, answered.
fn write_settings(folder: &Path, server: &str, key: &str) {
    let profile = folder.join("basic/profiles/Test");
    let scenes = folder.join("basic/scenes");
    fs::create_dir_all(&profile).expect("the profile's folder");
    fs::create_dir_all(&scenes).expect("the scenes' folder");
    let service = serde_json::json!({
        "type": "rtmp_custom",
        "settings": { "server": server, "key": key, "use_auth": false, "bwtest": false },
    });
    let scene = serde_json::json!({
        "name": "Test", "current_scene": "Scene", "current_program_scene": "Scene",
        "current_transition": "Cut", "transition_duration": 300,
        "scene_order": [{ "name": "Scene" }],
        "sources": [
            { "id": "color_source_v3", "versioned_id": "color_source_v3", "name": "Colour",
              "settings": { "color": 4_278_233_600_u32, "width": 640, "height": 360 } },
            { "id": "scene", "versioned_id": "scene", "name": "Scene",
              "settings": { "custom_size": false, "id_counter": 1, "items": [
                  { "name": "Colour", "id": 1, "visible": true, "align": 5,
                    "pos": { "x": 0.0, "y": 0.0 }, "scale": { "x": 1.0, "y": 1.0 } },
              ] } },
        ],
    });
    for (path, text) in [
        (folder.join("global.ini"), GLOBAL),
        (profile.join("basic.ini"), PROFILE),
        (profile.join("service.json"), &service.to_string()),
        (scenes.join("Test.json"), &scene.to_string()),
    ] {
        fs::write(path, text).expect("a settings file of OBS");
    }
}

/// `LastVersion` is 29.0.2: nothing is new, so nothing is announced.
const GLOBAL: &str = "\
[General]
FirstRun=true
LastVersion=486539266
Pre19Defaults=false
Pre21Defaults=false
Pre23Defaults=false
Pre24.1Defaults=false
EnableAutoUpdates=false
ConfirmOnExit=false

[Basic]
Profile=Test
ProfileDir=Test
SceneCollection=Test
SceneCollectionFile=Test
ConfigOnNewProfile=false

[BasicWindow]
SysTrayEnabled=false
PreviewEnabled=false
WarnBeforeStartingStream=false
";

const PROFILE: &str = "\
[General]
Name=Test

[Output]
Mode=Simple
Reconnect=false

[SimpleOutput]
StreamEncoder=x264
Preset=ultrafast
VBitrate=600
ABitrate=128
UseAdvanced=true
x264Settings=keyint=60

[Video]
BaseCX=640
BaseCY=360
OutputCX=640
OutputCY=360
FPSType=0
FPSCommon=30

[Audio]
SampleRate=48000
ChannelSetup=Stereo
";
