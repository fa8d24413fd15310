/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns the figures by which findings are judged: what is worth saying, what is much, what is often.
 * Each has its reason beside it.  Nothing else in the findings compares with a number of its own.
 */
#include <string.h>

#include "findings_int.h"

const struct ct_threshold ct_thresholds[CT_THRESHOLDS + 1] = {
	[CT_T_COST_SHARE] = { "cost-share", 3, "%",
		"runs of the same program differ by about as much by themselves" },
	[CT_T_COST_MS] = { "cost", 3, "ms",
		"below, start-up and one unlucky time slice weigh as much" },
	[CT_T_MEDIUM_SHARE] = { "medium-share", 10, "%", "a gain that a user would notice" },
	[CT_T_HIGH_SHARE] = { "high-share", 30, "%",
		"the first thing to mend, whatever else there is" },
	[CT_T_LOSS_SHARE] = { "loss-share", 5, "% of events",
		"with more of them lost, what is left says little about how much" },
	[CT_T_WAKE_LATENCY_US] = { "wake-latency", 200, "us",
		"a free CPU takes a woken thread within tens of microseconds, from a deep sleep "
		"within 200; who waits longer waits for other programs, which is not the lock's "
		"fault" },
	[CT_T_HELD_SHARE] = { "held-share", 20, "% of the lock's queue time",
		"less of it, and the waits are the queue's rather than the blocked holder's" },
	[CT_T_CONVOY_BUSY_SHARE] = { "convoy-busy", 85, "% of the time in use",
		"a queue that is empty now and then lets its lock be taken without a hand-over" },
	[CT_T_CONVOY_HOLD_US] = { "convoy-hold", 1000, "us",
		"held longer, and the holds rather than the hand-overs make the queue" },
	[CT_T_CONVOY_WAITS] = { "convoy-waits", 50, "waits", "fewer may be one burst" },
	[CT_T_STARVED_SHARE] = { "starved-share", 10, "% of the run",
		"one wait for readers to leave that is so long is no queue: they keep coming" },
	[CT_T_SERIAL_SHARE] = { "serial-share", 40, "% of the run",
		"one at a time for less than that still leaves the threads of some use" },
	[CT_T_SERIAL_RUNNING] = { "serial-running", 140, "% of one thread",
		"with two CPUs, ordinary hand-overs overlap by up to a fifth on each side" },
	[CT_T_TAKER_SHARE] = { "taker", 60, "% of the run",
		"a thread that computes for so long is what a replay with its own work comes to" },
	[CT_T_TURNS] = { "turns", 10, "turns", "a few are how threads start and end" },
	[CT_T_TURN_INSIDE] = { "turn-inside", 90, "% of the wake-ups",
		"by those who wait for the same thing: a queue of work is filled by others" },
	[CT_T_TURN_MOST] = { "turn-most", 80, "% of the turns' time",
		"then one thread does the work and the others follow it: nobody takes turns" },
	[CT_T_TURN_US] = { "turn-length", 100, "us",
		"shorter turns are messages that go to and fro" },
	[CT_T_KEY_INSIDE] = { "key-inside", 50, "% of the wake-ups",
		"by those who wait for it, too; who found a lock free never waits and wakes "
		"others, who only fills a queue makes all of them" },
	[CT_T_PERMITS] = { "permits", 30, "% of the time held",
		"held by two at once so much, a semaphore lets several in and is no lock" },
	[CT_T_HERD_WOKEN] = { "herd-woken", 4, "threads", "two or three woken for one are cheap" },
	[CT_T_HERD_GAP_US] = { "herd-gap", 500, "us",
		"one call wakes its waiters microseconds apart, when it is preempted a little "
		"more" },
	[CT_T_HERD_WORK_US] = { "herd-work", 60, "us",
		"to wake, take the mutex, look and sleep again takes some 10 us; traced and on a "
		"busy machine, several times that" },
	[CT_T_HERD_BACK_SHARE] = { "herd-back", 70, "% of the woken",
		"of four that are woken for one, three go back: 75 %" },
	[CT_T_HERD_TIMES] = { "herd-times", 5, "wake-ups of a herd",
		"once, at the start or end, is no habit" },
	[CT_T_LOOP_TURNS] = { "loop-turns", 5, "rests in poll",
		"a program that polls once or twice is no event loop" },
	[CT_T_LOOP_STALL_MS] = { "loop-stall", 1, "ms",
		"shorter waits are locks of the C library and pages read in" },
	[CT_T_LOOP_STALLS] = { "loop-stalls", 3, "times", "once or twice is starting and ending" },
	[CT_T_LOOP_REST_SHARE] = { "loop-rest", 15, "% of the loop's time",
		"a loop that rests more than that had time for everybody who came" },
	[CT_T_LOOP_BURST_MS] = { "loop-burst", 10, "ms", "longer, and the others feel it" },
	[CT_T_SEQUENCE_WAITS] = { "sequence-waits", 5, "waits", "again and again, not once" },
	[CT_T_SEQUENCE_SHARE] = { "sequence-share", 20, "% of the run",
		"less is not what the program does" },
	[CT_T_SWITCH_SHARE] = { "switch-share", 20, "% of the CPU time",
		"a fifth of the CPU for nothing" },
	[CT_T_SWITCH_COST_MIN_NS] = { "switch-cost-min", 500, "ns",
		"no kernel with its guards on switches in less" },
	[CT_T_SWITCH_COST_MAX_NS] = { "switch-cost-max", 4000, "ns",
		"what takes longer in between is the program's own work" },
	[CT_T_SWITCH_SLICES] = { "switch-slices", 200, "slices",
		"needed for a measure of the shortest" },
	[CT_T_CROWD_PER_CPU] = { "crowd", 4, "threads for each CPU",
		"two for each CPU is common practice, and four are still no crowd" },
	[CT_T_CROWD_SHARE] = { "crowd-share", 30, "% of the run", "a short rush is no crowd" },
	[CT_T_CROWD_OWN_SHARE] = { "crowd-own", 30, "% of the waits for a CPU",
		"where other programs have the CPUs for more than two thirds of them, fewer "
		"threads would hardly wait less" },
	[CT_T_FOREIGN_SHARE] = { "foreign-share", 30, "% of the time that threads want a CPU",
		"less is what any machine has to do besides" },
	[CT_T_ROLE_THREADS] = { "role-threads", 2, "threads", "of one role, to compare them" },
	[CT_T_UNEVEN_SHARE] = { "uneven-share", 30, "% over the mean",
		"the same work takes so much more or less CPU time on a busy or a virtual "
		"machine" },
	[CT_T_USED_PERMILLE] = { "cpu-used", 5, "permille of the CPU time",
		"a program that bound itself to a CPU ran a moment elsewhere before that" },
	[CT_T_PACE_SHARE] = { "pace", 50, "% more CPU time than the next thread",
		"then it is this thread that the others wait for, or could share with" },
	[CT_T_SPIN_SAMPLES] = { "spin-samples", 10, "samples",
		"fewer could all fall on one place by chance" },
	[CT_T_SPIN_PLACES] = { "spin-places", 3, "instructions",
		"loads the variable, compares, jumps back: a loop that computes has more" },
	[CT_T_SPIN_SHARE] = { "spin-share", 90, "% of the samples",
		"the rest is how it got there" },
	[CT_T_SPIN_TURNS] = { "spin-turns", 5, "sleeps of another thread",
		"who starts the others and waits for their end sleeps a few times" },
	[CT_T_INVERSION_WAITS] = { "inversion-waits", 1, "waits",
		"one is enough where priorities are a promise" },
	[CT_T_FOLD_LOCKS] = { "fold-locks", 3, "locks",
		"two locks can be told one by one, and may have little in common" },
	[CT_T_FOLD_LISTED] = { "fold-listed", 50, "locks",
		"nobody reads a longer list, and one line of code is to be mended" },
};

u64 ct_threshold(enum ct_threshold_id id)
{
	return ct_thresholds[id].value;
}

ct_ns ct_threshold_ns(enum ct_threshold_id id)
{
	const struct ct_threshold *t = &ct_thresholds[id];

	return t->value * (!strcmp(t->unit, "ms") ? 1000000u : !strcmp(t->unit, "us") ? 1000u : 1u);
}
