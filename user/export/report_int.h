/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Private to the report: its sections, and what they share.  Each section writes whole lines on the
 * page and decides by itself whether it has anything to say.
 */
#ifndef CT_REPORT_INT_H
#define CT_REPORT_INT_H

#include "page.h"

struct ct_report {
	const struct ct_facts *facts;
	const struct ct_model *m;
	struct ct_page page;
	bool verbose;
	bool lossy;	/* events were lost: figures get a ~ */
	u32 *name_cnt;	/* [string id]: how many threads have that name */
};

/* ---- sections ---- */
void ct_report__verdict(struct ct_report *r);  /* report_findings.c: the sentence */
void ct_report__hangs(struct ct_report *r);   /* report_hangs.c */
void ct_report__findings(struct ct_report *r); /* report_findings.c: all but hangs */
void ct_report__watch(struct ct_report *r);    /* report_watch.c */
void ct_report__threads(struct ct_report *r); /* report_threads.c */
void ct_report__locks(struct ct_report *r);   /* report_locks.c */
void ct_report__waits(struct ct_report *r);   /* report_locks.c */
void ct_report__path(struct ct_report *r);    /* report_path.c */
void ct_report__what_if(struct ct_report *r); /* report_path.c */

/* ---- what they share (report.c) ---- */
/* After an empty line; does not end its own. */
void ct_report__heading(struct ct_report *r, const char *title);
char *ct_report__thread(const struct ct_report *r, u32 thread_idx); /* a name nobody else has */
char *ct_report__place(const struct ct_report *r, u32 frame);	    /* "push (queue.c:12)"; "" */
/* The place in `columns`: the function is cut first, file and line stay while they can. */
void ct_report__fit_place(const struct ct_report *r, char *place, u32 columns);
/* "24 %", whole per cents; 0 and 100 only when exact.  `lossy` puts a ~ before it. */
char *ct_report__share(char buf[CT_FMT_LEN], u64 part, u64 whole, bool lossy);
/* n / by in hundredths: "1.24"; "<0.01" for what would look like nothing */
char *ct_report__ratio(char buf[CT_FMT_LEN], u64 n, u64 by);
/* "~" where lost events may have changed the figure that follows; else "" */
const char *ct_report__about(const struct ct_report *r);
/* As ct_fmt_ns and ct_fmt_count, with that before it. */
char *ct_report__ns(const struct ct_report *r, char buf[CT_FMT_LEN], ct_ns ns);
char *ct_report__count(const struct ct_report *r, char buf[CT_FMT_LEN], u64 n);

/* ---- how a state looks (report_bar.c) ---- */
/* States as the report shows them: CT_OTHER is told apart where it is a wait for a signal. */
#define CT_SHOWN_SIGNAL CT_STATES
#define CT_SHOWN (CT_STATES + 1)
#define CT_SHOWN_LOST CT_SHOWN /* in bars: no state, events were lost */
const char *ct_shown_name(u32 shown);
/* Of a slice; its state, or CT_SHOWN_SIGNAL. */
u32 ct_shown_state(const struct ct_model *m, const struct ct_slice *s);
struct ct_look {
	const char *unicode, *ascii;
	enum ct_ink ink;
	bool filled;
};
const struct ct_look *ct_look_of(u32 shown);

/* Time of some threads by cell of the run's time axis and state. */
struct ct_bar {
	u32 cells;
	ct_ns (*state_ns)[CT_SHOWN]; /* [cells] */
	bool *lost; /* [cells]: most of it is between two events around a loss */
};
void ct_bar__init(struct ct_bar *bar, u32 cells);
void ct_bar__clear(struct ct_bar *bar);
void ct_bar__add(struct ct_bar *bar, const struct ct_model *m, const struct ct_thread *t);
/* Writes the bar; sets used[s] for each state that it shows. */
void ct_bar__draw(const struct ct_bar *bar, struct ct_page *page, bool used[CT_SHOWN_LOST + 1]);

#endif
