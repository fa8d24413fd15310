/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loops of a few instructions: `spin WAY` has a thread wait in one of them for what another does
 * every few milliseconds, `spin work WAY` has two threads compute in one, fed through a queue.
 * Prints what it was and a result that is known.
 */
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <queue>
#include <string>
#include <thread>

static const int ROUNDS = 60;
static const long STEP_US = 5000;

/* ---- waiting ---- */

struct mailbox {
	long before[4];
	volatile int turn;
	std::atomic<int> served;
	std::atomic<int> held;
	std::atomic_flag gate;
};
static mailbox box;
static volatile int turn;
static std::atomic<int> served;

static void wait_flag(int n) { while (turn < n) { } } /* LOOK flag */
static void wait_atomic(int n) { while (served.load() < n) { } } /* LOOK atomic */
static void wait_acquire(int n)
{
	while (served.load(std::memory_order_acquire) < n) { } /* LOOK acquire */
}
static void wait_pause(int n)
{
	while (served.load(std::memory_order_relaxed) < n) /* LOOK pause */
		__builtin_ia32_pause(); /* LOOK pause */
}
static void wait_member(mailbox *m, int n) { while (m->turn < n) { } } /* LOOK member */
static void wait_inner(mailbox *m, int n) { while (m->served.load() < n) { } } /* LOOK inner */
static void wait_bounded(int n)
{
	while (served.load() < n) { /* LOOK bounded */
		for (long i = 0; i < 1000000 && served.load() < n; i++) { } /* LOOK bounded */
	}
}
static void wait_swap(mailbox *m, int n)
{
	while (m->served.load() < n) { /* LOOK swap */
		while (m->held.exchange(1)) { } /* LOOK swap */
	}
}
static void wait_gate(mailbox *m, int n)
{
	while (m->served.load() < n) { /* LOOK gate */
		while (m->gate.test_and_set(std::memory_order_acquire)) { } /* LOOK gate */
	}
}

static void look(const std::string &way)
{
	for (int n = 1; n <= ROUNDS; n++) {
		if (way == "flag")
			wait_flag(n);
		else if (way == "atomic")
			wait_atomic(n);
		else if (way == "acquire")
			wait_acquire(n);
		else if (way == "pause")
			wait_pause(n);
		else if (way == "member")
			wait_member(&box, n);
		else if (way == "inner")
			wait_inner(&box, n);
		else if (way == "bounded")
			wait_bounded(n);
		else if (way == "swap")
			wait_swap(&box, n);
		else
			wait_gate(&box, n);
	}
}

static void spin(const std::string &way)
{
	box.held = 1;
	box.gate.test_and_set();
	std::thread waits(look, way);
	for (int n = 1; n <= ROUNDS; n++) {
		std::this_thread::sleep_for(std::chrono::microseconds(STEP_US));
		turn = box.turn = n;
		box.served = n;
		served = n;
		box.held = 0;
		box.gate.clear();
	}
	waits.join();
	printf("spin %s: %d of %d rounds\n", way.c_str(), (int)served, ROUNDS);
}

/* ---- computing ---- */

static const int JOBS = 60;
static long volatile limit;
static char text[1 << 16];
struct link { link *next; };
static link chain[1024];

static long sum_up(long n)
{
	volatile long s = 0;
	for (long i = 0; i < n; i++)
		s = s + i;
	return s;
}
static long sum_limit(long)
{
	long s = 0;
	for (long i = 0; i < limit; i++)
		s += i * i ^ s;
	return s;
}
static long fractions(long n)
{
	volatile double s = 0;
	for (long i = 0; i < n / 2; i++)
		s = s + 1.0 / (i + 1);
	return (long)s;
}
static long collatz(long n)
{
	long c = 0;
	for (unsigned long s = 1; s < (unsigned long)n / 300; s++)
		for (unsigned long x = s; x != 1; c++)
			x = x & 1 ? 3 * x + 1 : x / 2;
	return c;
}
static long walk(long n)
{
	link *p = chain;
	for (long i = 0; i < n; i++)
		p = p->next;
	return p - chain;
}
static long scan(long n)
{
	long c = 0;
	for (long r = 0; r < n / 65536; r++) {
		const volatile char *p = text;
		while (*p)
			p++;
		c += p - text;
	}
	return c;
}
static std::atomic<long> total;
static long add_up(long n)
{
	for (long i = 0; i < n / 32; i++)
		total.fetch_add(1);
	return 0;
}
static long raise(long n)
{
	for (long i = 0; i < n / 64; i++) {
		long was = total.load();
		while (!total.compare_exchange_weak(was, was + 1)) { }
	}
	return 0;
}

static const struct { const char *name; long (*run)(long); } works[] = {
	{ "sum", sum_up }, { "limit", sum_limit }, { "fractions", fractions },
	{ "collatz", collatz }, { "walk", walk }, { "scan", scan }, { "add", add_up },
	{ "raise", raise },
};

static std::mutex m;
static std::condition_variable not_empty, not_full;
static std::queue<long> jobs;
static int done;

static void consume(long (*run)(long))
{
	volatile long kept;

	for (;;) {
		std::unique_lock<std::mutex> lock(m);
		not_empty.wait(lock, [] { return !jobs.empty(); });
		long job = jobs.front();
		if (!job)
			return;
		jobs.pop();
		done++;
		lock.unlock();
		not_full.notify_one();
		kept = run(job);
		(void)kept;
	}
}

static void work(const char *way, long (*run)(long))
{
	limit = 12000000;
	memset(text, 'a', sizeof(text) - 1);
	for (int i = 0; i < 1024; i++)
		chain[i].next = &chain[(i * 389 + 1) % 1024];
	std::thread a(consume, run), b(consume, run);
	for (int i = 0; i <= JOBS; i++) {
		std::unique_lock<std::mutex> lock(m);
		not_full.wait(lock, [] { return jobs.size() < 16; });
		jobs.push(i < JOBS ? 12000000 : 0);
		if (i < JOBS)
			not_empty.notify_one();
		else
			not_empty.notify_all();
	}
	a.join();
	b.join();
	printf("work %s: %d of %d jobs\n", way, done, JOBS);
}

int main(int argc, char **argv)
{
	if (argc == 2)
		spin(argv[1]);
	for (const auto &w : works)
		if (argc == 3 && !strcmp(argv[2], w.name))
			work(w.name, w.run);
	return 0;
}
