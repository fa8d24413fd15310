/* SPDX-License-Identifier: BSD-2-Clause */
/* Private to the JSON summary: parts of it that have files of their own. */
#ifndef CT_JSON_INT_H
#define CT_JSON_INT_H

#include <jansson.h>

#include "export_int.h"

/* Watched variables: what was seen of each (json_watch.c). */
json_t *ct_json__watch(const struct ct_facts *facts);

#endif
