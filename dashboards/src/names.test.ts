// SPDX-License-Identifier: BSD-2-Clause
// Short forms of long names, by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldNames, shortName } from './names';

const MAP = 'std::map<std::string, std::vector<int, std::allocator<int> > >';

test('what fits stays as it is', () => {
	assert.equal(shortName('std::vector<int>::push_back (a.cc:1)', 40), 'std::vector<int>::push_back (a.cc:1)');
});

test('lists of template arguments go first, whole, however deep', () => {
	assert.equal(shortName(`${MAP}::find (a.cc:12)`, 40), 'std::map<…>::find (a.cc:12)');
	assert.equal(shortName(`Queue<${MAP}>::push<${MAP} > (queue.h:7)`, 40), 'Queue<…>::push<…> (queue.h:7)');
});

test('operators, arrows and comparisons are no brackets', () => {
	assert.equal(shortName('Big::operator<<(std::ostream&, Big const&) (a.cc:1)', 30), 'Big::operator<<(…) (a.cc:1)');
	assert.equal(shortName('Big::operator< (Big const&, long) (a.cc:1)', 30), 'Big::operator< (…) (a.cc:1)');
	assert.equal(shortName('F<decltype(p->next), 1234>::of (a.cc:1)', 20), 'F<…>::of (a.cc:1)');
	assert.equal(foldNames('<0.1 % of it, a < b and b > a'), '<0.1 % of it, a < b and b > a');
	assert.equal(foldNames('cnt<the bracket that nobody closes is none'), 'cnt<the bracket that nobody closes is none');
});

test('then arguments of functions, but not the file', () => {
	assert.equal(
		shortName('worker(std::string const&, long, long, long) (worker_file.cc:123)', 40),
		'worker(…) (worker_file.cc:123)',
	);
});

test('then the middle: beginning and line stay', () => {
	const name = `${'a_very_long_name_'.repeat(8)} (queue.c:1234)`;
	assert.equal(shortName(name, 40), 'a_very_long_name_a_…name_ (queue.c:1234)');
	assert.equal(shortName(name, 16), '… (queue.c:1234)');
	assert.equal(shortName(name, 10), '…e.c:1234)');
});

test('a name that was cut when it was recorded has no end of its list', () => {
	assert.equal(shortName(`Cache<${MAP}, std::pair<int, std::... (a.cc:13)`, 40), 'Cache<… (a.cc:13)');
	assert.equal(shortName(`Cache<${MAP}, std::pair<int, std::...`, 40), 'Cache<…');
});

test('in a sentence only long lists are folded', () => {
	assert.equal(foldNames(`Everyone queues for Guard<${MAP}>::lock: up to 5 ms`), 'Everyone queues for Guard<…>::lock: up to 5 ms');
	assert.equal(foldNames('std::vector<int> waits'), 'std::vector<int> waits');
});
