//! A server that stalls once, seen by an open loop.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::*;

const STALL: Duration = Duration::from_millis(300);
const STALLS_AT: usize = 50;

/// Answers `ok`, one request after the other; before the answer numbered [`STALLS_AT`] all wait for [`STALL`].
fn stalling() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(Mutex::new(0));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answered = Arc::clone(&answered);
            thread::spawn(move || serve(stream.unwrap(), &answered));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answered: &Mutex<usize>) {
    stream.set_nodelay(true).unwrap();
    while stream.read(&mut [0; 1000]).is_ok_and(|bytes| bytes > 0) {
        let mut answered = answered.lock().unwrap();
        *answered += 1;
        if *answered == STALLS_AT {
            thread::sleep(STALL);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n").unwrap();
    }
}

/// About three hundred requests, one every 4 ms in the mean.
fn window(connections: usize) -> Window {
    let address = stalling();
    let load = Load { address, server: std::process::id(), connections };
    let plan = poisson(1, 250.0, Duration::from_millis(1200), 1);
    load.window(&plan, &[Call::health(address)]).unwrap().right().unwrap()
}

/// Requests that were to start in the first half of the stall, each of which waits for its second half at least.
fn due_in_the_first_half(window: &Window) -> usize {
    let stalled = window.made[STALLS_AT - 1].planned.at;
    let due = window.made.iter().skip(STALLS_AT).filter(|made| made.planned.at < stalled + STALL / 2);
    due.count()
}

fn long(window: &Window, length_ms: impl Fn(&Made) -> f64) -> usize {
    window.made.iter().filter(|made| length_ms(made) > 140.0).count()
}

#[test]
fn every_request_that_was_due_in_a_stall_is_charged() {
    let window = window(200);
    let due = due_in_the_first_half(&window);
    assert!(due > 20, "{due}");
    assert!(long(&window, Made::latency_ms) > due, "{} of {due}", long(&window, Made::latency_ms));
    assert_eq!(window.made.iter().filter(|made| made.found_no_connection()).count(), 0);
}

#[test]
fn a_closed_loop_would_have_seen_one_slow_answer() {
    // One connection asks one question after the other, as a closed loop does.
    let window = window(1);
    let due = due_in_the_first_half(&window);
    let from_its_start = |made: &Made| (made.ended - made.began).as_secs_f64() * 1e3;
    // Few, not one: the machine may stall on its own.
    let seen = long(&window, from_its_start);
    assert!((1..5).contains(&seen), "{seen}");
    assert!(long(&window, Made::latency_ms) > due, "{} of {due}", long(&window, Made::latency_ms));
    // And it is said that the load was not what was planned.
    assert!(window.made.iter().filter(|made| made.found_no_connection()).count() > due);
}

#[test]
fn a_wrong_answer_is_no_sample() {
    let address = stalling();
    let load = Load { address, server: std::process::id(), connections: 2 };
    let plan = poisson(1, 250.0, Duration::from_millis(100), 2);
    let calls = [Call::health(address), Call::new(Call::health(address).request, 0, b"no".to_vec())];
    let wrong = plan.iter().filter(|planned| planned.call == 1).count();
    let said = load.window(&plan, &calls).unwrap().right().unwrap_err().to_string();
    assert!(said.starts_with(&format!("{wrong} of {} answers were wrong", plan.len())), "{said}");
    assert!(said.contains("status 200: ok"), "{said}");
}
