// SPDX-License-Identifier: BSD-2-Clause
// C++ threads blocked for good in the standard library's locks; says which line of which function
// blocks (site.h).
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#include <unistd.h>
#include <time.h>
extern "C" {
#include "site.h"
}

#define NEVER __attribute__((noinline))

namespace shop
{
static std::mutex till;
std::mutex door;

class Queue
{
public:
	NEVER void push(int item);
	template <typename T> NEVER T take(T fallback);

private:
	std::mutex lock_;
	std::condition_variable filled_;
	std::vector<int> items_;
};

void Queue::push(int item)
{
	SITE("pthread_mutex_lock", "shop::Queue::push(int)", 1);
	std::lock_guard<std::mutex> held(till);
	items_.push_back(item);
}

template <typename T> T Queue::take(T fallback)
{
	std::unique_lock<std::mutex> held(lock_);
	SITE("pthread_cond_wait", "shop::Queue::take<long>(long)", 1);
	filled_.wait(held);
	return items_.empty() ? fallback : T(items_.back());
}

NEVER void enter()
{
	SITE("pthread_mutex_lock", "shop::enter()", 1);
	till.lock();
	till.unlock();
}
} // namespace shop

NEVER static void join_all(std::vector<std::thread> &threads)
{
	for (auto &t : threads) {
		SITE("pthread_join", "join_all(", 3);
		puts("ready");
		fflush(stdout);
		t.join();
	}
}

int main()
{
	shop::Queue queue;
	shop::till.lock();
	printf("data shop::till %p 0\n", (void *)&shop::till);
	printf("data shop::door %p 4\n", (void *)((char *)&shop::door + 4));
	fflush(stdout);
	std::vector<std::thread> threads;
	threads.emplace_back([&] { queue.push(1); });
	threads.emplace_back([&] { queue.take(2L); });
	threads.emplace_back(shop::enter);
	await_sites(3);
	join_all(threads);
	return 0;
}
