//! The threads of a warp as threads of the host, of which one runs at a time.

use ncpu_machine::warp::emulation::{Question, Said, use_exchange};
use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

const LANES: u32 = 32;

/// Where the lanes of a warp wait for each other.
struct Warp {
    state: Mutex<State>,
    turns: [Condvar; LANES as usize],
}

struct State {
    /// The lane that runs.
    turn: u32,
    /// Lanes that have something to say, and what: a bit for each.
    arrived: u32,
    /// The question that they have come to.
    question: Option<Question>,
    /// What they say, and the lanes that have not returned.
    said: Said,
    /// What all have said the last time.
    answer: Said,
}

thread_local! {
    /// The warp that the thread is in, and its lane.
    static PLACE: RefCell<Option<(Arc<Warp>, u32)>> = const { RefCell::new(None) };
}

/// Runs all lanes of a warp.
pub(super) fn run(lane: impl Fn(u32) + Sync) {
    use_exchange(exchange);
    let said = Said { present: u32::MAX, ..Said::default() };
    let state = State { turn: 0, arrived: 0, question: None, said, answer: said };
    let warp = Warp { state: Mutex::new(state), turns: Default::default() };
    let warp = Arc::new(warp);
    std::thread::scope(|scope| {
        for number in 0..LANES {
            let (warp, lane) = (Arc::clone(&warp), &lane);
            scope.spawn(move || {
                PLACE.set(Some((Arc::clone(&warp), number)));
                let _leaving = Leaving(&warp, number);
                warp.wait_for_turn(number, |_| ());
                lane(number);
            });
        }
    });
}

/// Has the others go on without a lane that has returned or panicked.
struct Leaving<'w>(&'w Warp, u32);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let &mut Leaving(warp, number) = self;
        let mut state = warp.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.said.present &= !(1 << number);
        warp.next(&mut state);
    }
}

fn exchange(question: Question, word: u32) -> Option<Said> {
    let (warp, lane) = PLACE.with_borrow(Clone::clone)?;
    let said = warp.wait_for_turn(lane, |state| {
        let asked = *state.question.get_or_insert(question);
        assert_eq!(asked, question, "lanes of a warp meet at different places");
        state.said.words[lane as usize] = word;
        state.arrived |= 1 << lane;
        warp.next(state);
    });
    Some(Said { lane, ..said })
}

impl Warp {
    /// Does something, and waits until it is the lane's turn.
    fn wait_for_turn(&self, lane: u32, before: impl FnOnce(&mut State)) -> Said {
        let mut state = self.state.lock().expect("no lane panics");
        before(&mut state);
        let turn = &self.turns[lane as usize];
        turn.wait_while(state, |state| state.turn != lane).expect("no lane panics").answer
    }

    /// Lets the next lane run that has nothing to say yet; the first one, once all have.
    fn next(&self, state: &mut State) {
        let present = state.said.present;
        if present & !state.arrived == 0 {
            state.answer = state.said;
            (state.arrived, state.question) = (0, None);
        }
        if present != 0 {
            state.turn = (present & !state.arrived).trailing_zeros();
            self.turns[state.turn as usize].notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use ncpu_machine::warp;

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_lane_that_panics_ends_the_warp() {
        run(|lane| {
            warp::meet();
            assert_ne!(lane, 3);
            warp::meet();
        });
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn lanes_that_meet_at_different_places_end_the_warp() {
        run(|lane| {
            if lane == 3 {
                warp::lanes_that(true);
            } else {
                warp::meet();
            }
        });
    }
}
