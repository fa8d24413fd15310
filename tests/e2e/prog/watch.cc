/* SPDX-License-Identifier: BSD-2-Clause */
/* Static members of C++, in a namespace: one guarded by a std::mutex, one bare, one atomic. */
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

namespace pool {
struct Worker {
	static volatile long bare;
	static volatile long guarded;
	static std::atomic<long> atomic;
	static std::mutex lock;
	void run();
};
volatile long Worker::bare;
volatile long Worker::guarded;
std::atomic<long> Worker::atomic;
std::mutex Worker::lock;

void Worker::run()
{
	for (int i = 0; i < 200; i++) {
		bare = bare + 1;
		lock.lock();
		guarded = guarded + 1;
		lock.unlock();
		atomic++;
	}
}
} // namespace pool

int main()
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 3; i++)
		threads.emplace_back([] { pool::Worker().run(); });
	for (auto &t : threads)
		t.join();
	printf("%ld %ld\n", (long)pool::Worker::bare, (long)pool::Worker::guarded);
	return 0;
}
