/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writers of JSON share, and parts of the summary that have files of their own. */
#ifndef CT_JSON_INT_H
#define CT_JSON_INT_H

#include <jansson.h>

#include "export_int.h"

/* Watched variables: what was seen of each (json_watch.c). */
json_t *ct_json__watch(const struct ct_facts *facts);

/* As jansson's own; what cannot be had is null there, and stays so. */
static inline void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

/* JSON has signed numbers of 64 bits. */
static inline json_t *integer(u64 n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

/* NULL as "", and what is no UTF-8 made so. */
static inline json_t *text(const char *s)
{
	char *valid = ct_utf8_repair(s ? s : "");
	json_t *value = json_string(valid);

	free(valid);
	return value;
}

#endif
