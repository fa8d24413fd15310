/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * locks.c in C++: std::mutex under lock_guard, unique_lock and plain lock(), in classes and a
 * template, so that the line wanted is below several of the language's own frames.
 */
#include <mutex>
#include <thread>
#include "locks.h"

static std::mutex first_lock;
static std::mutex second_lock;

namespace store {

class Table {
public:
	void read(struct log *log);
	void write(struct log *log);
};

void Table::read(struct log *log)
{
	struct entry *e = begin(log, 0);
	{
		e->line = __LINE__ + 1;
		std::lock_guard<std::mutex> guard(first_lock);
		e->got = now_ns();
		pass_time(log);
		e->giving = now_ns();
	}
	e->gave = now_ns();
}

void Table::write(struct log *log)
{
	struct entry *e = begin(log, 0);
	{
		e->line = __LINE__ + 1;
		std::unique_lock<std::mutex> guard(first_lock);
		e->got = now_ns();
		pass_time(log);
		pass_time(log);
		e->giving = now_ns();
	}
	e->gave = now_ns();
}

template <typename Lock> void write_journal(struct log *log, Lock &lock)
{
	struct entry *e = begin(log, 1);

	e->line = __LINE__ + 1;
	lock.lock();
	e->got = now_ns();
	pass_time(log);
	e->giving = now_ns();
	lock.unlock();
	e->gave = now_ns();
}

}

static void worker(struct log *log)
{
	store::Table table;

	while (log->cnt < ROUNDS) {
		switch (next_random(log) % 3) {
		case 0:
			table.read(log);
			break;
		case 1:
			table.write(log);
			break;
		default:
			store::write_journal(log, second_lock);
		}
		if (next_random(log) % 4 == 0)
			pass_time(log);
	}
}

int main(int argc, char **argv)
{
	std::thread threads[THREADS];

	if (argc < 2)
		return 2;
	for (int i = 0; i < THREADS; i++) {
		logs[i].random = i + 1;
		threads[i] = std::thread(worker, &logs[i]);
	}
	for (auto &thread : threads)
		thread.join();
	print_logs(argv[1], &first_lock, &second_lock);
	return 0;
}
