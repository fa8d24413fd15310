/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page: the viewer that was built into ctrace, with the data of one trace where the viewer has
 * its mark.  One file, no network, nothing to install.
 */
#include <errno.h>
#include <string.h>

#include "html_int.h"

/* build/viewer.html, put in by viewer.S; empty when ctrace was built without npm. */
extern const char ct_viewer_start[], ct_viewer_end[];

static const char mark[] = "<!--CTRACE-DATA-->";

bool ct_html__present(void)
{
	return &ct_viewer_end[0] != &ct_viewer_start[0];
}

int ct_html__json(struct ct_pack *p, const char tag[5], json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6));

	json_decref(value);
	if (!text)
		return -EIO;
	ct_pack__section(p, tag, text, strlen(text));
	free(text);
	return 0;
}

int ct_html__run(struct ct_pack *p, const struct ct_export_in *in)
{
	int err = ct_html__json(p, "META", ct_html__meta(in));

	if (err)
		return err;
	ct_html__overview(p, in->facts->m);
	ct_html__columns(p, in->facts);
	ct_html__touches(p, in->facts);
	return 0;
}

static int write_data(const struct ct_export_in *in, FILE *out)
{
	struct ct_pack p;
	int err, packed;

	ct_pack__begin(&p, out);
	err = ct_html__run(&p, in);
	packed = ct_pack__end(&p);
	return err ? err : packed;
}

static const char *find_mark(void)
{
	size_t len = (size_t)(ct_viewer_end - ct_viewer_start);

	return len ? memmem(ct_viewer_start, len, mark, strlen(mark)) : NULL;
}

int ct_html__begin(FILE *out)
{
	const char *at = find_mark();

	if (!at) {
		ct_error("this ctrace was built without its page: install nodejs and npm and run "
			 "make again");
		return -ENOSYS;
	}
	fwrite(ct_viewer_start, 1, (size_t)(at - ct_viewer_start), out);
	return 0;
}

void ct_html__end(FILE *out)
{
	const char *at = find_mark() + strlen(mark);

	fwrite(at, 1, (size_t)(ct_viewer_end - at), out);
}

int ct_html__write(const struct ct_export_in *in, FILE *out)
{
	int err;

	if (ct_html__slice_cnt(in->facts->m) > CT_HTML_SLICES_MAX) {
		ct_error("the trace is too long for a page (more than %u slices); record a shorter "
			 "stretch",
			CT_HTML_SLICES_MAX);
		return -EOVERFLOW;
	}
	err = ct_html__begin(out);
	if (err)
		return err;
	err = write_data(in, out);
	ct_html__end(out);
	if (!err && ferror(out))
		err = errno == ENOSPC || errno == EDQUOT ? -errno : -EIO;
	return err;
}
