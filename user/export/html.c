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

static int write_data(const struct ct_export_in *in, FILE *out)
{
	json_t *meta = ct_html__meta(in);
	char *text = json_dumps(meta, JSON_COMPACT | JSON_REAL_PRECISION(6));
	struct ct_pack p;

	json_decref(meta);
	if (!text)
		return -EIO;
	ct_pack__begin(&p, out);
	ct_pack__section(&p, "META", text, strlen(text));
	free(text);
	ct_html__columns(&p, in->facts);
	ct_html__touches(&p, in->facts);
	return ct_pack__end(&p);
}

int ct_html__write(const struct ct_export_in *in, FILE *out)
{
	size_t len = (size_t)(ct_viewer_end - ct_viewer_start);
	const char *at = len ? memmem(ct_viewer_start, len, mark, strlen(mark)) : NULL;
	int err;

	if (!at) {
		ct_error("this ctrace was built without its page: install nodejs and npm and run "
			 "make again");
		return -ENOSYS;
	}
	if (ct_html__slice_cnt(in->facts->m) > CT_HTML_SLICES_MAX) {
		ct_error("the trace is too long for a page (more than %u slices); record a shorter "
			 "stretch",
			CT_HTML_SLICES_MAX);
		return -EOVERFLOW;
	}
	fwrite(ct_viewer_start, 1, (size_t)(at - ct_viewer_start), out);
	err = write_data(in, out);
	at += strlen(mark);
	fwrite(at, 1, (size_t)(ct_viewer_end - at), out);
	if (!err && ferror(out))
		err = errno == ENOSPC || errno == EDQUOT ? -errno : -EIO;
	return err;
}
