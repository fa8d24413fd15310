/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/capture/probe_features.c: the answers agree with each other, and a user without rights is
 * told so first.  What the answers are depends on the machine and is not tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "capture/features.h"

#define NOBODY 65534

static void test_every_answer_is_whole(void **state)
{
	struct ct_features f;

	(void)state;
	ct_features__probe(&f);
	assert_true(f.at.cnt > 10);
	for (u32 i = 0; i < f.at.cnt; i++) {
		const struct ct_feature *a = &f.at.at[i];

		assert_true(a->name[0] && strlen(a->name) <= 26);
		assert_non_null(a->found);
		assert_true(a->found[0] && !strchr(a->found, '\n'));
		if (a->answer != CT_ANSWER_NO)
			assert_null(a->mend);
		for (u32 k = 0; k < i; k++)
			assert_string_not_equal(a->name, f.at.at[k].name);
	}
	ct_features__clear(&f);
	assert_int_equal(f.at.cnt, 0);
}

static void test_the_first_missing_thing_can_be_mended(void **state)
{
	struct ct_features f;
	const struct ct_feature *missing;

	(void)state;
	ct_features__probe(&f);
	missing = ct_features__missing(&f);
	if (missing) {
		assert_true(missing->needed);
		assert_int_equal(missing->answer, CT_ANSWER_NO);
		assert_non_null(missing->mend);
	}
	for (u32 i = 0; !missing && i < f.at.cnt; i++)
		assert_false(f.at.at[i].needed && f.at.at[i].answer == CT_ANSWER_NO);
	ct_features__clear(&f);
}

static void test_why_not_agrees(void **state)
{
	struct ct_features f;
	const struct ct_feature *missing;
	char *why = ct_features__why_not();

	(void)state;
	ct_features__probe(&f);
	missing = ct_features__missing(&f);
	assert_int_equal(why == NULL, missing == NULL);
	if (why) {
		assert_int_equal(strncmp(why, missing->name, strlen(missing->name)), 0);
		assert_non_null(strstr(why, missing->mend));
	}
	free(why);
	ct_features__clear(&f);
}

/* In a child, which gives its rights up for good: 0 when it is told what this user is told. */
static int look_without_rights(void)
{
	static const char told[] = "rights: not root, and no CAP_BPF and CAP_PERFMON; "
				   "to mend: run ctrace with sudo";
	char *why;

	if (geteuid() == 0 &&
		(setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		return 2;
	why = ct_features__why_not();
	if (why && !strcmp(why, told))
		return 0;
	print_message("told: %s\n", why ? why : "nothing");
	return 1;
}

static void test_a_user_without_rights_is_told_of_sudo(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(look_without_rights());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_answer_is_whole),
		cmocka_unit_test(test_the_first_missing_thing_can_be_mended),
		cmocka_unit_test(test_why_not_agrees),
		cmocka_unit_test(test_a_user_without_rights_is_told_of_sudo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
