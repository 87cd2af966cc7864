//! The gateway as a service manager sees it: notifications, the file with the process id, the end.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::commands::{CONFIG, RULES, place};
use crate::running::Running;

fn next(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message.get(..length).unwrap().to_vec()).unwrap()
}

#[test]
fn the_service_manager_hears_of_the_start_and_of_the_end() {
    let directory =
        place(&CONFIG.replace("[listener.main]", "[process]\npid_file = \"run.pid\"\n[listener.main]"), RULES);
    let path = directory.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let gateway = Running::start_with(directory.path(), &["run"], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);

    let ready = next(&socket);
    let pid = fs::read_to_string(directory.path().join("run.pid")).unwrap();
    for line in ["READY=1".to_owned(), format!("MAINPID={}", pid.trim())] {
        assert!(ready.lines().any(|l| l == line), "no {line}:\n{ready}");
    }
    assert!(ready.contains("1 routes, 1 rules (2 cases hold)"), "{ready}");

    let ended = gateway.stop();
    assert!(ended.success(), "{ended}");
    assert!(next(&socket).contains("STOPPING=1"));
    assert!(!directory.path().join("run.pid").exists());
}
