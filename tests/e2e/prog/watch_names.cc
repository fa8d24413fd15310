// SPDX-License-Identifier: BSD-2-Clause
// Variables of every kind by their names: members, elements, bit-fields, what cannot be watched;
// and many of them, of which a few are shared, for --watch auto.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

namespace bank {
struct Account {
	std::mutex m;
	long balance;
};
Account accounts[4];
}
struct Flags {
	unsigned a : 4, b : 4;
} flags;
struct Ring {
	long head, tail;
	std::mutex hm;
	std::condition_variable cv;
	int slot[200];
} rb;
std::atomic<long> requests;
thread_local long own;
std::mutex big;
long hits;
static long alone;
long queue[300];

/* Each word in a cycle of its own, with big in hand but for `hits`. */
static void work(long turns)
{
	for (long i = 0; i < turns; i++) {
		hits = hits + 1;
		requests++;
		std::lock_guard<std::mutex> hold(big);
		rb.tail++;
		queue[i % 300]++;
		rb.slot[i % 200]++;
		own++;
		usleep(300);
	}
}

static void deposit(long turns)
{
	for (long i = 0; i < turns; i++) {
		std::lock_guard<std::mutex> hold(bank::accounts[2].m);
		bank::accounts[2].balance++;
		usleep(50);
	}
}

int main(int argc, char **argv)
{
	long turns = argc > 1 ? atol(argv[1]) : 100;
	bool banking = argc > 2;
	std::vector<std::thread> threads;

	for (flags.a = 0; flags.a < 3; flags.a++)
		alone++;
	for (int i = 0; i < 2; i++)
		threads.emplace_back(banking ? deposit : work, turns);
	for (auto &t : threads)
		t.join();
	printf("%ld %ld %ld\n", hits, alone, bank::accounts[2].balance);
}
