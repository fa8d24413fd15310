/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owns which traces a word of the command line stands for, where a command takes several: a file, a
 * directory (its *.ctrace), several words with commas between, a pattern.
 */
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/cmd.h"

static bool has_pattern(const char *word)
{
	return strpbrk(word, "*?[") != NULL;
}

/* All that the pattern names, in order of name; -ENOENT: nothing. */
static int take_pattern(struct ct_paths *s, const char *pattern)
{
	glob_t found;
	int err = glob(pattern, 0, NULL, &found);

	for (size_t i = 0; !err && i < found.gl_pathc; i++)
		*ct_vec_push(&s->at) = ct_strdup(found.gl_pathv[i]);
	globfree(&found);
	return err ? -ENOENT : 0;
}

/* A directory's name is no pattern, whatever is in it. */
static char *quote(const char *path)
{
	char *quoted = ct_alloc(2 * strlen(path) + 1), *to = quoted;

	for (; *path; path++) {
		if (strchr("*?[\\", *path))
			*to++ = '\\';
		*to++ = *path;
	}
	return quoted;
}

static int take_directory(struct ct_paths *s, const char *path)
{
	char *quoted = quote(path), *pattern = ct_asprintf("%s/*.ctrace", quoted);
	int err = take_pattern(s, pattern);

	if (err)
		ct_error("'%s' holds no *.ctrace; record some with 'ctrace -r 5 PROGRAM'", path);
	free(pattern);
	free(quoted);
	return err;
}

/* What is there by this very name comes first, so that no file is out of reach. */
int ct_paths__add(struct ct_paths *s, const char *word)
{
	const char *comma = strchr(word, ',');
	struct stat st;
	int err;

	if (!stat(word, &st)) {
		if (S_ISDIR(st.st_mode))
			return take_directory(s, word);
		*ct_vec_push(&s->at) = ct_strdup(word);
		return 0;
	}
	if (comma) {
		char *first = ct_strndup(word, comma - word);

		err = ct_paths__add(s, first);
		free(first);
		return err ? err : ct_paths__add(s, comma + 1);
	}
	err = has_pattern(word) ? take_pattern(s, word) : -errno;
	if (err)
		ct_error("%s: %s", word, has_pattern(word) ? "no file has such a name"
							   : strerror(-err));
	return err;
}

void ct_paths__clear(struct ct_paths *s)
{
	for (u32 i = 0; i < s->at.cnt; i++)
		free(s->at.at[i]);
	ct_vec_free(&s->at);
}
